INSERT INTO waiting (subject, act, since, waits) VALUES ($1, $2, $3, 1)
ON CONFLICT (subject) DO UPDATE SET
    act = excluded.act,
    since = CASE WHEN waiting.waits = 1 THEN waiting.since ELSE excluded.since END,
    waits = 1
