-- The rotator's schema and role. Run by an administrator once, before `mint-rotator migrate`.
-- The migrating administrator owns the tables; the service's role only uses them, and deletes nothing: the ledger is
-- how anybody can still account for every version that the issuer was made to produce.
CREATE SCHEMA IF NOT EXISTS rotator;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mint_rotator') THEN
        CREATE ROLE mint_rotator LOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA rotator TO mint_rotator;
ALTER DEFAULT PRIVILEGES IN SCHEMA rotator GRANT SELECT, INSERT, UPDATE ON TABLES TO mint_rotator;
