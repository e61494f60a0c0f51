UPDATE applications
SET paused = $2, pause_reason = $3, nudged_at = CASE WHEN $2 = 0 THEN $4 ELSE nudged_at END, stir = stir + 1, wake_at = 0, change = change + 1, changed_at = $4
WHERE application_id = $1
