-- A call that ends something, durable before it is sent, where the driver says that a late one may end what is newer. Until
-- it was answered (or surely void) or cannot take effect any more (over), nothing else is sent to that object.
CREATE TABLE end_call (
    rotation TEXT NOT NULL,
    object TEXT NOT NULL CHECK (object IN ('user', 'client')),
    number BIGINT NOT NULL,
    application TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sent', 'answered', 'void', 'over')),
    sent_at BIGINT NOT NULL,
    sent_boot TEXT NOT NULL,
    sent_nanos BIGINT NOT NULL,
    PRIMARY KEY (rotation, object, number)
);
CREATE INDEX end_call_of_application ON end_call (application, state);
