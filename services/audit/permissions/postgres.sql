-- The audit log's schema, role and grants. Run by an administrator before `mint-audit migrate` (schema and role) and
-- again after it (grants on the tables). The service's role owns nothing and has neither UPDATE nor DELETE: what is in
-- the log stays in the log.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mint_audit') THEN
        CREATE ROLE mint_audit LOGIN NOINHERIT CONNECTION LIMIT 40;
    END IF;
END
$$;

CREATE SCHEMA IF NOT EXISTS audit;
REVOKE ALL ON SCHEMA audit FROM PUBLIC;
GRANT USAGE ON SCHEMA audit TO mint_audit;

DO $$
BEGIN
    IF to_regclass('audit.entries') IS NOT NULL THEN
        GRANT SELECT ON audit.mint_migrations, audit.mint_origins TO mint_audit;
        GRANT SELECT, INSERT ON audit.entries TO mint_audit;
    END IF;
END
$$;
