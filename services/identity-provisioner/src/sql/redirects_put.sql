INSERT INTO redirects (
    application_id, url, stated_at, held, team, heir, heir_since, is_public, is_type_held
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (application_id) DO UPDATE SET
    url = excluded.url,
    stated_at = excluded.stated_at,
    held = excluded.held,
    team = excluded.team,
    heir = excluded.heir,
    heir_since = excluded.heir_since,
    is_public = excluded.is_public,
    is_type_held = excluded.is_type_held
