-- On whose word a pin rests, whom the catalog names instead and since when in counted time; whether the client may be one
-- without a secret, and whether the other type is asked for and not confirmed. Rows of before know no owner and no type.
ALTER TABLE redirects ADD COLUMN team TEXT;

ALTER TABLE redirects ADD COLUMN heir TEXT;

ALTER TABLE redirects ADD COLUMN heir_since BIGINT;

ALTER TABLE redirects ADD COLUMN is_public BIGINT;

ALTER TABLE redirects ADD COLUMN is_type_held BIGINT NOT NULL DEFAULT 0;
