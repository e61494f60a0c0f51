-- When a credential was made, for tests that ask what is alive; unknown for what an older world made.
ALTER TABLE password ADD COLUMN created BIGINT;
ALTER TABLE client ADD COLUMN created BIGINT;

-- Users and clients that existed once: `kind` is service-user, glewlwyd-user or glewlwyd-client.
CREATE TABLE deleted_identity (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    deleted BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);

-- Lists of texts are JSON. `subject` is the `sub` of the user's tokens: a user that is made again has another one.
CREATE TABLE glewlwyd_user (
    username TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    scope TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    subject TEXT NOT NULL UNIQUE
);

-- Only live passwords have a row; the places of a user's are 0, 1, 2, …
CREATE TABLE glewlwyd_password (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    place BIGINT NOT NULL,
    hash TEXT NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX glewlwyd_password_of_user ON glewlwyd_password (username, place);

-- `properties` is what a PUT replaces as a whole. `secret_id` names the secret that opens now.
CREATE TABLE glewlwyd_client (
    client_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    scope TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    confidential BIGINT NOT NULL,
    properties TEXT NOT NULL,
    password_hash TEXT,
    client_secret_hash TEXT,
    secret_id TEXT,
    secret_created BIGINT
);

CREATE TABLE glewlwyd_refresh_token (
    sequence INTEGER PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    username TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    user_agent TEXT NOT NULL,
    enabled BIGINT NOT NULL
);
CREATE INDEX glewlwyd_refresh_token_of_user ON glewlwyd_refresh_token (username, sequence);

CREATE TABLE glewlwyd_session (
    session_hash TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    expires BIGINT NOT NULL
);
