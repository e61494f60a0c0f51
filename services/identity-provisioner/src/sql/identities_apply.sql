UPDATE identities SET
    client_id = COALESCE($2, client_id),
    stage = $3,
    intended = NULL,
    applied_revision = $4,
    scopes = $5,
    changed_at = $6
WHERE application_id = $1
