-- The highest fencing token that an application's actor has shown.
CREATE TABLE fence (
    application TEXT PRIMARY KEY,
    token BIGINT NOT NULL
);

-- A rotation: what was asked, what was made, how far it got. Envelopes are sealed, handles (txids) are no secrets.
CREATE TABLE rotation (
    rotation TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('creating', 'created', 'delivered', 'retiring', 'retired', 'abandoned', 'superseded')),
    opened_at BIGINT NOT NULL,
    previous_version BIGINT,
    version BIGINT,
    version_id TEXT,
    fingerprint TEXT,
    envelope_digest BYTEA,
    delivery_envelope BYTEA,
    probe_envelope BYTEA,
    password_txid TEXT,
    client_txid TEXT,
    user_committed_at BIGINT,
    client_committed_at BIGINT,
    retired_version BIGINT,
    retired_at BIGINT,
    retired_boot TEXT,
    retired_nanos BIGINT,
    dead_at BIGINT,
    create_told BIGINT NOT NULL DEFAULT 0,
    retire_told BIGINT NOT NULL DEFAULT 0,
    prove_told BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX rotation_of_application ON rotation (application, state);

-- When the overlap began on each machine's own monotonic clock: an instant of another boot cannot be compared.
CREATE TABLE overlap (
    rotation TEXT NOT NULL,
    boot TEXT NOT NULL,
    nanos BIGINT NOT NULL,
    PRIMARY KEY (rotation, boot)
);

-- A version of a credential. Version 0 is the foreign one that was in use before Mint came.
CREATE TABLE version (
    application TEXT NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    version_id TEXT,
    rotation TEXT NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('pending', 'current', 'previous', 'ended')),
    fingerprint TEXT,
    created_at BIGINT NOT NULL,
    delivered_at BIGINT,
    user_ended_at BIGINT,
    client_ended_at BIGINT,
    ended_at BIGINT,
    ended_by TEXT,
    PRIMARY KEY (application, kind, version)
);
CREATE INDEX version_of_application ON version (application, stage);

-- A call that makes the issuer produce something, durable before it is sent. It is settled when it surely made nothing
-- (void), when what it made is a version above (kept), or when a later commit ended what it may have made (swept).
-- Unsettled are: sent (nobody knows), stray (answered, but what it made is lost), presumed (held long enough).
CREATE TABLE attempt (
    rotation TEXT NOT NULL,
    object TEXT NOT NULL CHECK (object IN ('user', 'client')),
    number BIGINT NOT NULL,
    application TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sent', 'stray', 'presumed', 'void', 'kept', 'swept')),
    reason TEXT,
    sent_at BIGINT NOT NULL,
    sent_boot TEXT NOT NULL,
    sent_nanos BIGINT NOT NULL,
    PRIMARY KEY (rotation, object, number)
);
CREATE INDEX attempt_of_application ON attempt (application, state);
