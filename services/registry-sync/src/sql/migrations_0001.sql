CREATE TABLE catalog (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL,
    defaults TEXT NOT NULL,
    accepted_at BIGINT,
    problems TEXT NOT NULL
);

INSERT INTO catalog (id, revision, defaults, problems) VALUES (1, 0, '', '[]');

CREATE TABLE applications (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL,
    name TEXT NOT NULL,
    active BIGINT NOT NULL,
    subtitle TEXT NOT NULL,
    service_url TEXT NOT NULL,
    modified_at BIGINT,
    presence TEXT NOT NULL,
    held_at BIGINT,
    revision BIGINT NOT NULL,
    identity_revision BIGINT NOT NULL,
    settings TEXT,
    settings_generation BIGINT NOT NULL,
    username TEXT,
    client_id TEXT,
    foreign_identity BIGINT,
    problems TEXT NOT NULL
);

CREATE UNIQUE INDEX applications_by_revision ON applications (revision);

CREATE INDEX applications_by_modification ON applications (modified_at);
