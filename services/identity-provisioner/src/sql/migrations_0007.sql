-- When, in counted time, a step of a removal was last made durable before it was asked for. Until its call can no longer take
-- effect nobody takes the user over.
ALTER TABLE strays ADD COLUMN intended_at BIGINT;
