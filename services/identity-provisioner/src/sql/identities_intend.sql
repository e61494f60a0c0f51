INSERT INTO identities (
    application_id, username, client_id, stage, intended, is_foreign, applied_revision, scopes, settled, changed_at
)
VALUES ($1, $2, NULL, 'none', $3, $4, 0, '[]', 0, $5)
ON CONFLICT (application_id) DO UPDATE SET
    username = excluded.username,
    vanished_at = CASE
        WHEN identities.intended = 'deleted' AND excluded.intended = 'enabled'
            THEN COALESCE(identities.vanished_at, excluded.changed_at)
        ELSE identities.vanished_at
    END,
    intended = excluded.intended,
    is_foreign = excluded.is_foreign,
    settled = 0,
    changed_at = excluded.changed_at
