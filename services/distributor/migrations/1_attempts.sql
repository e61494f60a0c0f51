-- One row per application: the highest fencing token it was acted upon with, and the order of its attempts.
CREATE TABLE application (
    application TEXT PRIMARY KEY,
    fencing_token BIGINT NOT NULL,
    sequence BIGINT NOT NULL
);

-- The highest version ever begun, over all destinations ever used: an older one is refused.
CREATE TABLE highest_version (
    application TEXT NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    rotation TEXT NOT NULL,
    PRIMARY KEY (application, kind)
);

-- One row per PUT, durable before it is sent. Without an outcome it was never answered, or nobody knows.
CREATE TABLE attempt (
    application TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    rotation TEXT NOT NULL,
    envelope BYTEA NOT NULL,
    store TEXT NOT NULL,
    bucket TEXT NOT NULL,
    object_key TEXT NOT NULL,
    signed_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    outcome TEXT CHECK (outcome IN ('written', 'refused')),
    answered_sequence BIGINT,
    PRIMARY KEY (application, sequence)
);
