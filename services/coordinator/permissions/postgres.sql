-- The coordinator's schema, role and grants. Run by an administrator once per database, before and after
-- `mint-coordinator migrate` (grants on tables need the tables).
-- Nothing is ever deleted: an application that is gone is inactive or held, and its history stays.
CREATE SCHEMA IF NOT EXISTS mint_coordinator;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mint_coordinator') THEN
        CREATE ROLE mint_coordinator LOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA mint_coordinator TO mint_coordinator;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA mint_coordinator TO mint_coordinator;
ALTER DEFAULT PRIVILEGES IN SCHEMA mint_coordinator GRANT SELECT, INSERT, UPDATE ON TABLES TO mint_coordinator;
REVOKE CREATE ON SCHEMA mint_coordinator FROM mint_coordinator;
