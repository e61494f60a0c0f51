ALTER TABLE applications ADD COLUMN taken_at BIGINT;

ALTER TABLE applications ADD COLUMN taken_release TEXT;

ALTER TABLE applications ADD COLUMN decision TEXT;

ALTER TABLE applications ADD COLUMN confirmed_team TEXT NOT NULL DEFAULT '';

ALTER TABLE applications ADD COLUMN statement TEXT;

ALTER TABLE applications ADD COLUMN removed TEXT NOT NULL DEFAULT '[]';

ALTER TABLE applications ADD COLUMN identity_losses BIGINT NOT NULL DEFAULT 0;

UPDATE applications SET taken_at = held_at, confirmed_team = team_id;

CREATE TABLE releases (
    id TEXT PRIMARY KEY,
    acts BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    applications TEXT NOT NULL,
    accepted_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
