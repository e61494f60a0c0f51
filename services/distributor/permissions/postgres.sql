-- The distributor's schema and role. Run by an administrator once, before `mint-distributor migrate`.
-- The migrating administrator owns the tables; the service's role only uses them.
CREATE SCHEMA IF NOT EXISTS distributor;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mint_distributor') THEN
        CREATE ROLE mint_distributor LOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA distributor TO mint_distributor;
