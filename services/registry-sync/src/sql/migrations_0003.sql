-- Since when an application is in the catalog: only who is for a day counts for the day's budget. Nobody knows it of those
-- that were there before, so they count.
ALTER TABLE applications ADD COLUMN known_since BIGINT NOT NULL DEFAULT 0;

-- When `modified_at`, which is by the registry's clock, was read, by our own.
ALTER TABLE applications ADD COLUMN learnt_at BIGINT;
