-- Logins with the current version of a credential that the issuer did not accept, so that few follow each other; one row for
-- each credential, which counts for its version alone.
CREATE TABLE checks (
    application TEXT NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    tried_at BIGINT NOT NULL,
    tried_boot TEXT NOT NULL,
    tried_nanos BIGINT NOT NULL,
    PRIMARY KEY (application, kind)
);
