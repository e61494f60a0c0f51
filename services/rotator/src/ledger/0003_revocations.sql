-- A statement of two operators that was believed: whatever there was of a kind when it came (up to `through`) ends at
-- once, without receipt and overlap. Acted upon once: the row stays.
CREATE TABLE revocation (
    statement TEXT NOT NULL,
    kind TEXT NOT NULL,
    application TEXT NOT NULL,
    through BIGINT NOT NULL,
    accepted_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    done_at BIGINT,
    done_by TEXT,
    told BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (statement, kind)
);
CREATE INDEX revocation_of_application ON revocation (application, kind);

-- The statement that lets a rotation end its predecessors before its receipt.
ALTER TABLE rotation ADD COLUMN excused_by TEXT;
