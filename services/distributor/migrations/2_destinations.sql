-- Every place where a credential of an application was ever put, or may have been: what a tombstone overwrites. A region or
-- an account that is NULL is not known: the object was put before this table was there.
CREATE TABLE object (
    application TEXT NOT NULL,
    store TEXT NOT NULL,
    bucket TEXT NOT NULL,
    object_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    region TEXT,
    account_id TEXT,
    kms_key_id TEXT,
    tombstone_since BIGINT,
    permit TEXT,
    PRIMARY KEY (application, store, bucket, object_key)
);

INSERT INTO object (application, store, bucket, object_key, kind)
SELECT application, store, bucket, object_key, MAX(kind) FROM attempt
GROUP BY application, store, bucket, object_key;

-- What permits were acted upon: each covers what it covered at its first use.
CREATE TABLE permit (
    id TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    used_at BIGINT NOT NULL
);

-- Versions up to this one were removed with their objects: they are not put again.
ALTER TABLE highest_version ADD COLUMN ended BIGINT NOT NULL DEFAULT 0;

-- Where an application's credentials may go, and since when somewhere else is asked for. `changes` tells one writer that
-- another was faster.
CREATE TABLE pin (
    application TEXT PRIMARY KEY,
    changes BIGINT NOT NULL,
    document TEXT NOT NULL
);
