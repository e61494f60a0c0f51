-- Run by an administrator, before `mint-identity-provisioner migrate` as the owner of the schema (first part) and
-- again after it (second part). The service connects as mint_identity_provisioner and owns nothing. It cannot take a
-- spent budget back: what it spent, what operators released and when its clocks began it can neither change nor delete.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mint_identity_provisioner') THEN
    CREATE ROLE mint_identity_provisioner LOGIN NOINHERIT CONNECTION LIMIT 40;
  END IF;
END
$$;
CREATE SCHEMA IF NOT EXISTS identity_provisioner;
REVOKE ALL ON SCHEMA identity_provisioner FROM PUBLIC;
GRANT USAGE ON SCHEMA identity_provisioner TO mint_identity_provisioner;

DO $$
BEGIN
  IF to_regclass('identity_provisioner.mint_migrations') IS NOT NULL THEN
    GRANT SELECT ON identity_provisioner.mint_migrations, identity_provisioner.mint_origins TO mint_identity_provisioner;
    GRANT SELECT, INSERT ON identity_provisioner.identities TO mint_identity_provisioner;
    GRANT UPDATE (username, client_id, stage, intended, is_foreign, applied_revision, scopes, settled, changed_at, disabled_at, vanished_at, released, incarnation, joined_at) ON identity_provisioner.identities TO mint_identity_provisioner;
    GRANT SELECT, INSERT, UPDATE (token) ON identity_provisioner.fences TO mint_identity_provisioner;
    GRANT SELECT, INSERT ON identity_provisioner.spending TO mint_identity_provisioner;
    GRANT SELECT, INSERT ON identity_provisioner.clocks TO mint_identity_provisioner;
    GRANT SELECT, INSERT ON identity_provisioner.losses TO mint_identity_provisioner;
    GRANT SELECT, INSERT ON identity_provisioner.releases TO mint_identity_provisioner;
    GRANT SELECT, INSERT, UPDATE (act, since, waits) ON identity_provisioner.waiting TO mint_identity_provisioner;
    GRANT SELECT, INSERT, UPDATE (stage, intended, disabled_at, intended_at) ON identity_provisioner.strays TO mint_identity_provisioner;
    GRANT SELECT, INSERT, UPDATE (url, stated_at, held, team, heir, heir_since, is_public, is_type_held) ON identity_provisioner.redirects TO mint_identity_provisioner;
  END IF;
END
$$;
