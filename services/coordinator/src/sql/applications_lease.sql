UPDATE applications
SET fencing_token = $2, lease_holder = $3, lease_expires_at = $4, reserved_from = 0, change = change + $5,
    changed_at = CASE WHEN $5 > 0 THEN $6 ELSE changed_at END
WHERE application_id = $1
