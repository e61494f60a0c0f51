-- Since when, in counted time, an identity belongs to the fleet that a day's budget is a share of. Of those that were there
-- before it is known when they last changed.
ALTER TABLE identities ADD COLUMN joined_at BIGINT;

UPDATE identities SET joined_at = changed_at;
