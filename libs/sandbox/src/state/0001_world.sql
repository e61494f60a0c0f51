-- What the registry says. `written` is the registry file's text of the application when it was last taken over;
-- an application that only a test put in has none.
CREATE TABLE registered_application (
    id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    written TEXT,
    removed BIGINT NOT NULL,
    last_modified BIGINT NOT NULL
);

CREATE TABLE service_user (
    username TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    subtitle TEXT,
    redirect_urls TEXT NOT NULL,
    user_scopes TEXT NOT NULL,
    client_scopes TEXT NOT NULL,
    confidential BIGINT NOT NULL,
    client_id TEXT NOT NULL
);

-- A row per password ever made. It opens the door until `valid_until`; without one, for ever.
CREATE TABLE password (
    txid TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    hash TEXT NOT NULL,
    committed BIGINT NOT NULL,
    valid_until BIGINT
);
CREATE INDEX password_of_user ON password (username, sequence);

-- A row per client ever made. The first one of a user has no transaction; a public one has no hash.
CREATE TABLE client (
    client_id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    txid TEXT UNIQUE,
    hash TEXT,
    public BIGINT NOT NULL,
    committed BIGINT NOT NULL,
    ended BIGINT NOT NULL
);
CREATE INDEX client_of_user ON client (username);

CREATE TABLE revoked_token (
    jti TEXT NOT NULL PRIMARY KEY,
    expires BIGINT NOT NULL
);
