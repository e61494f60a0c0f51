UPDATE applications
SET standing = $4, lease_expires_at = $5, reserved_from = 0, change = change + 1, changed_at = $6
WHERE application_id = $1 AND fencing_token = $2 AND lease_holder = $3
RETURNING paused
