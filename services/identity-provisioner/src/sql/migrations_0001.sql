CREATE TABLE identities (
    application_id TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    client_id TEXT,
    stage TEXT NOT NULL,
    intended TEXT,
    is_foreign BIGINT NOT NULL,
    applied_revision BIGINT NOT NULL,
    scopes TEXT NOT NULL,
    settled BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE fences (
    application_id TEXT PRIMARY KEY,
    token BIGINT NOT NULL
);

CREATE TABLE spending (
    application_id TEXT NOT NULL,
    act TEXT NOT NULL,
    spent_at BIGINT NOT NULL,
    PRIMARY KEY (application_id, act, spent_at)
);

CREATE INDEX spending_by_time ON spending (spent_at);
