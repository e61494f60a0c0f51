-- Run by an administrator, before `mint-registry-sync migrate` as the owner of the schema (first part) and again
-- after it (second part). The service connects as mint_registry_sync and owns nothing: it cannot change the schema,
-- and it cannot delete an application.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mint_registry_sync') THEN
    CREATE ROLE mint_registry_sync LOGIN NOINHERIT CONNECTION LIMIT 40;
  END IF;
END
$$;
CREATE SCHEMA IF NOT EXISTS registry_sync;
REVOKE ALL ON SCHEMA registry_sync FROM PUBLIC;
GRANT USAGE ON SCHEMA registry_sync TO mint_registry_sync;

DO $$
BEGIN
  IF to_regclass('registry_sync.mint_migrations') IS NOT NULL THEN
    GRANT SELECT ON registry_sync.mint_migrations, registry_sync.mint_origins TO mint_registry_sync;
    GRANT SELECT, INSERT, UPDATE ON registry_sync.applications TO mint_registry_sync;
    GRANT SELECT, INSERT, UPDATE (spent) ON registry_sync.releases TO mint_registry_sync;
    GRANT SELECT ON registry_sync.catalog TO mint_registry_sync;
    GRANT UPDATE (revision, defaults, accepted_at, problems) ON registry_sync.catalog TO mint_registry_sync;
  END IF;
END
$$;
