INSERT INTO strays (username, stage, intended, disabled_at) VALUES ($1, 'none', $2, NULL)
ON CONFLICT (username) DO UPDATE SET intended = excluded.intended
