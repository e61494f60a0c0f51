UPDATE applications
SET team_id = $2, revision = $3, record = $4, conditions = $5, nudged_at = $6,
    stir = stir + 1, wake_at = 0, change = change + 1, changed_at = $7
WHERE application_id = $1
