UPDATE applications
SET standing = $4, lease_holder = '', lease_expires_at = 0, reserved_from = 0,
    wake_at = CASE WHEN stir = $5 THEN $6 ELSE 0 END, change = change + $7,
    changed_at = CASE WHEN $7 > 0 THEN $8 ELSE changed_at END
WHERE application_id = $1 AND fencing_token = $2 AND lease_holder = $3
RETURNING paused
