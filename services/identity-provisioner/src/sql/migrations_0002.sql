ALTER TABLE identities ADD COLUMN disabled_at BIGINT;

ALTER TABLE identities ADD COLUMN vanished_at BIGINT;

ALTER TABLE identities ADD COLUMN released BIGINT NOT NULL DEFAULT 0;

ALTER TABLE identities ADD COLUMN incarnation BIGINT NOT NULL DEFAULT 0;

UPDATE identities SET disabled_at = changed_at WHERE stage = 'disabled';

ALTER TABLE spending ADD COLUMN release_id TEXT;

CREATE TABLE clocks (
    boot TEXT PRIMARY KEY,
    counted_at BIGINT NOT NULL,
    nanos BIGINT NOT NULL
);

CREATE TABLE releases (
    id TEXT PRIMARY KEY,
    acts BIGINT NOT NULL,
    applications TEXT NOT NULL,
    accepted_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE waiting (
    subject TEXT PRIMARY KEY,
    act TEXT NOT NULL,
    since BIGINT NOT NULL,
    waits BIGINT NOT NULL
);

CREATE TABLE strays (
    username TEXT PRIMARY KEY,
    stage TEXT NOT NULL,
    intended TEXT,
    disabled_at BIGINT
);
