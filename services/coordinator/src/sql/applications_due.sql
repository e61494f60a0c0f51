SELECT application_id FROM applications
WHERE wake_at <= $1 AND lease_expires_at <= $1
ORDER BY wake_at, application_id LIMIT $2
