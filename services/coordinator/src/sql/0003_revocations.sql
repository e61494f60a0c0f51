-- What two operators signed to end at once, until the rotator says that it has ended or refuses the statement.
CREATE TABLE revocations (
    statement_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    application_id TEXT NOT NULL,
    statement TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    closed_at BIGINT NOT NULL,
    PRIMARY KEY (statement_id, kind)
);
CREATE INDEX revocations_by_outcome ON revocations (outcome);
