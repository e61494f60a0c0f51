UPDATE identities SET
    client_id = COALESCE($2, client_id),
    disabled_at = CASE
        WHEN $3 <> 'disabled' THEN NULL
        WHEN stage = 'disabled' THEN COALESCE(disabled_at, $7)
        ELSE $7
    END,
    incarnation = CASE
        WHEN $3 = 'enabled' AND (vanished_at IS NOT NULL OR stage = 'deleted') THEN incarnation + 1
        ELSE incarnation
    END,
    joined_at = CASE WHEN $3 = 'enabled' AND stage NOT IN ('enabled', 'disabled') THEN $7 ELSE joined_at END,
    vanished_at = CASE WHEN $3 = 'disabled' THEN vanished_at ELSE NULL END,
    released = CASE WHEN $3 = 'enabled' THEN 0 ELSE released END,
    stage = $3,
    intended = NULL,
    applied_revision = $4,
    scopes = $5,
    changed_at = $6
WHERE application_id = $1
