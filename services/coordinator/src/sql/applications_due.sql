SELECT application_id FROM applications
WHERE wake_at <= $1
  AND (lease_expires_at <= $1 OR (wake_at < reserved_from AND (lease_holder = $3 OR $1 < reserved_from)))
ORDER BY wake_at, application_id LIMIT $2
