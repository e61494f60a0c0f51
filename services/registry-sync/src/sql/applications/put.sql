INSERT INTO applications (
    id, team_id, name, active, subtitle, service_url, modified_at, presence, held_at, revision,
    identity_revision, settings, settings_generation, username, client_id, foreign_identity, problems,
    taken_at, taken_release, decision, confirmed_team, statement, removed, identity_losses,
    known_since, learnt_at
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26
)
ON CONFLICT (id) DO UPDATE SET
    team_id = excluded.team_id,
    name = excluded.name,
    active = excluded.active,
    subtitle = excluded.subtitle,
    service_url = excluded.service_url,
    modified_at = excluded.modified_at,
    presence = excluded.presence,
    held_at = excluded.held_at,
    revision = excluded.revision,
    identity_revision = excluded.identity_revision,
    settings = excluded.settings,
    settings_generation = excluded.settings_generation,
    username = excluded.username,
    client_id = excluded.client_id,
    foreign_identity = excluded.foreign_identity,
    problems = excluded.problems,
    taken_at = excluded.taken_at,
    taken_release = excluded.taken_release,
    decision = excluded.decision,
    confirmed_team = excluded.confirmed_team,
    statement = excluded.statement,
    removed = excluded.removed,
    identity_losses = excluded.identity_losses,
    learnt_at = excluded.learnt_at
