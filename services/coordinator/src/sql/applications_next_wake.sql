SELECT wake_at FROM applications
WHERE lease_expires_at <= $1 OR (wake_at < reserved_from AND $1 < reserved_from)
ORDER BY wake_at LIMIT 1
