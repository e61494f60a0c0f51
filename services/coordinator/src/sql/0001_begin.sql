-- What the whole constellation shares: one row.
CREATE TABLE control (
    id BIGINT PRIMARY KEY,
    paused BIGINT NOT NULL,
    reason TEXT NOT NULL
);
INSERT INTO control (id, paused, reason) VALUES (1, 0, '');

-- How far the catalog was taken in: one row, apart from `control` because it changes often.
CREATE TABLE intake (
    id BIGINT PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO intake (id, revision) VALUES (1, 0);

-- One row per application. `record`, `conditions`, `revision` and `team_id` belong to the intake, `standing` and the
-- lease to the holder of the lease, `paused` to operators; `stir` counts what happened beside the lease's holder.
CREATE TABLE applications (
    application_id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    record TEXT NOT NULL,
    conditions TEXT NOT NULL,
    standing TEXT NOT NULL,
    paused BIGINT NOT NULL,
    pause_reason TEXT NOT NULL,
    nudged_at BIGINT NOT NULL,
    fencing_token BIGINT NOT NULL,
    lease_holder TEXT NOT NULL,
    lease_expires_at BIGINT NOT NULL,
    stir BIGINT NOT NULL,
    wake_at BIGINT NOT NULL,
    change BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX applications_by_wake ON applications (wake_at);
CREATE INDEX applications_by_change ON applications (changed_at);

-- One row per application and kind: the saga's state, envelopes and receipts included, as JSON.
CREATE TABLE credentials (
    application_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    saga TEXT NOT NULL,
    PRIMARY KEY (application_id, kind)
);
