-- Run by an administrator, before `mint-coordinator migrate` as the owner of the schema (first part) and again after it
-- (second part). The service connects as mint_coordinator and owns nothing. It deletes nothing: an application that is
-- gone is inactive or held, and its history stays.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mint_coordinator') THEN
    CREATE ROLE mint_coordinator LOGIN NOINHERIT CONNECTION LIMIT 40;
  END IF;
END
$$;
CREATE SCHEMA IF NOT EXISTS coordinator;
REVOKE ALL ON SCHEMA coordinator FROM PUBLIC;
GRANT USAGE ON SCHEMA coordinator TO mint_coordinator;

DO $$
BEGIN
  IF to_regclass('coordinator.mint_migrations') IS NOT NULL THEN
    GRANT SELECT ON coordinator.mint_migrations, coordinator.mint_origins TO mint_coordinator;
    GRANT SELECT, UPDATE (paused, reason, issuer_paused_until) ON coordinator.control TO mint_coordinator;
    GRANT SELECT, UPDATE (revision) ON coordinator.intake TO mint_coordinator;
    GRANT SELECT, INSERT,
          UPDATE (team_id, revision, record, conditions, standing, paused, pause_reason, nudged_at, fencing_token,
                  lease_holder, lease_expires_at, reserved_from, stir, wake_at, change, changed_at)
      ON coordinator.applications TO mint_coordinator;
    GRANT SELECT, INSERT, UPDATE (saga) ON coordinator.credentials TO mint_coordinator;
    GRANT SELECT, INSERT, UPDATE (roster) ON coordinator.adoption TO mint_coordinator;
    GRANT SELECT, INSERT, UPDATE (outcome, closed_at) ON coordinator.revocations TO mint_coordinator;
  END IF;
END
$$;
