-- When the counted time was seen for the first time after writes may have been lost (a failover, a restored backup).
CREATE TABLE losses (
    lost_at BIGINT PRIMARY KEY,
    counted_at BIGINT NOT NULL
);
