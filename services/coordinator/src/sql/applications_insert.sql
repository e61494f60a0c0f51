INSERT INTO applications (application_id, team_id, revision, record, conditions, standing, paused, pause_reason,
                          nudged_at, fencing_token, lease_holder, lease_expires_at, stir, wake_at, change, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0, 0, '', 0, 1, 0, 1, $7)
