CREATE TABLE entries (
    leaf_index BIGINT NOT NULL PRIMARY KEY,
    leaf_hash BYTEA NOT NULL,
    at BIGINT NOT NULL,
    entry_id TEXT NOT NULL UNIQUE,
    actor TEXT NOT NULL,
    phase BIGINT NOT NULL CHECK (phase IN (1, 2)),
    action TEXT NOT NULL,
    application_id TEXT NOT NULL,
    kind BIGINT NOT NULL,
    resource TEXT NOT NULL,
    rotation_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    outcome BIGINT NOT NULL CHECK (outcome IN (0, 1, 2, 3)),
    reason TEXT NOT NULL,
    init_index BIGINT UNIQUE,
    CHECK ((phase = 1) = (init_index IS NULL)),
    CHECK ((phase = 1) = (outcome = 0))
);
CREATE INDEX entries_by_application ON entries (application_id, leaf_index);
CREATE INDEX entries_by_rotation ON entries (rotation_id, leaf_index);
CREATE INDEX entries_by_time ON entries (at, leaf_index);
