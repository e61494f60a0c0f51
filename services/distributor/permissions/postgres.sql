-- Run by an administrator, before `mint-distributor migrate` as the owner of the schema (first part) and again after it
-- (second part). The service connects as mint_distributor and owns nothing. It cannot rewrite what it attempted, only
-- say what became of it, and it drops attempts that can no longer matter: nothing else is ever deleted.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mint_distributor') THEN
    CREATE ROLE mint_distributor LOGIN NOINHERIT CONNECTION LIMIT 40;
  END IF;
END
$$;
CREATE SCHEMA IF NOT EXISTS distributor;
REVOKE ALL ON SCHEMA distributor FROM PUBLIC;
GRANT USAGE ON SCHEMA distributor TO mint_distributor;

DO $$
BEGIN
  IF to_regclass('distributor.mint_migrations') IS NOT NULL THEN
    GRANT SELECT ON distributor.mint_migrations, distributor.mint_origins TO mint_distributor;
    GRANT SELECT, INSERT, UPDATE (fencing_token, sequence) ON distributor.application TO mint_distributor;
    GRANT SELECT, INSERT, UPDATE (version, rotation, ended) ON distributor.highest_version TO mint_distributor;
    GRANT SELECT, INSERT, DELETE, UPDATE (outcome, answered_sequence) ON distributor.attempt TO mint_distributor;
    GRANT SELECT, INSERT, UPDATE (kind, region, account_id, kms_key_id, tombstone_since, permit) ON distributor.object TO mint_distributor;
    GRANT SELECT, INSERT ON distributor.permit TO mint_distributor;
    GRANT SELECT, INSERT, UPDATE (changes, document) ON distributor.pin TO mint_distributor;
  END IF;
END
$$;
