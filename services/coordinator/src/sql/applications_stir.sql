UPDATE applications
SET nudged_at = $2, stir = stir + 1, wake_at = 0, change = change + 1, changed_at = $3
WHERE application_id = $1
