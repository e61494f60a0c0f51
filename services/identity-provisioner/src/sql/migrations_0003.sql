-- Which redirect URL each client may have: the first one that was asked for, and then what its owner or an operator
-- confirmed. `held` is asked for and not confirmed.
CREATE TABLE redirects (
    application_id TEXT PRIMARY KEY,
    url TEXT,
    stated_at BIGINT,
    held TEXT
);
