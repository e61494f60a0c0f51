INSERT INTO entries (leaf_index, leaf_hash, at, entry_id, actor, phase, action, application_id, kind, resource,
                     rotation_id, request_id, outcome, reason, init_index, requested_role, subject)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
