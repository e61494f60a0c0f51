-- A value that the issuer learns of only once a destination has it: when that was, when the issuer had it and a login
-- showed it, and how long applications may have been shut out between the two.
ALTER TABLE rotation ADD COLUMN first_write_at BIGINT;
ALTER TABLE rotation ADD COLUMN first_write_boot TEXT;
ALTER TABLE rotation ADD COLUMN first_write_nanos BIGINT;
ALTER TABLE rotation ADD COLUMN set_at BIGINT;
ALTER TABLE rotation ADD COLUMN set_window_micros BIGINT;
ALTER TABLE rotation ADD COLUMN set_told BIGINT NOT NULL DEFAULT 0;

-- Logins with the ended version that showed no death: too many of them lock its user out.
ALTER TABLE rotation ADD COLUMN proof_logins BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rotation ADD COLUMN proof_alive BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rotation ADD COLUMN proof_at BIGINT;
ALTER TABLE rotation ADD COLUMN proof_boot TEXT;
ALTER TABLE rotation ADD COLUMN proof_nanos BIGINT;

-- What an issuer answered that was not true. Rows are never changed.
CREATE TABLE lie (
    issuer TEXT NOT NULL,
    number BIGINT NOT NULL,
    application TEXT NOT NULL,
    kind TEXT NOT NULL,
    rotation TEXT NOT NULL,
    reason TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, number)
);

-- Whether rotations at an issuer are halted: only an operator clears it. Lies up to `forgiven` count no more.
CREATE TABLE issuer (
    issuer TEXT PRIMARY KEY,
    halted_at BIGINT,
    resumed_at BIGINT,
    resumed_by TEXT,
    forgiven BIGINT NOT NULL DEFAULT 0
);
