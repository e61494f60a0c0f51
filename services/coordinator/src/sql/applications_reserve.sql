UPDATE applications
SET standing = $4, fencing_token = $9, lease_expires_at = $10, reserved_from = $11,
    wake_at = CASE WHEN stir = $5 THEN $6 ELSE 0 END, change = change + $7,
    changed_at = CASE WHEN $7 > 0 THEN $8 ELSE changed_at END
WHERE application_id = $1 AND fencing_token = $2 AND lease_holder = $3
RETURNING paused
