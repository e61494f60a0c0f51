-- A lease that begins in the future: `lease_holder` goes on under `fencing_token` without a write from `wake_at` until
-- `lease_expires_at`; before `reserved_from` anybody may take the application. 0: not reserved.
ALTER TABLE applications ADD COLUMN reserved_from BIGINT NOT NULL DEFAULT 0;
CREATE INDEX applications_by_lease ON applications (lease_expires_at);

-- No call to the issuer before this time: what it asked for with its last 429.
ALTER TABLE control ADD COLUMN issuer_paused_until BIGINT NOT NULL DEFAULT 0;

-- One row per application whose instances report: name, sequence and versions of each, as JSON, bounded.
CREATE TABLE adoption (
    application_id TEXT PRIMARY KEY,
    roster TEXT NOT NULL
);
