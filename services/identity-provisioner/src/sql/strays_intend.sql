INSERT INTO strays (username, stage, intended, disabled_at, intended_at) VALUES ($1, 'none', $2, NULL, $3)
ON CONFLICT (username) DO UPDATE SET intended = excluded.intended, intended_at = excluded.intended_at
