SELECT * FROM entries
WHERE leaf_index >= $1 AND leaf_index < $2
  AND ($3 = '' OR application_id = $3) AND ($4 = '' OR actor = $4) AND ($5 = '' OR action = $5)
  AND ($6 = '' OR rotation_id = $6)
ORDER BY leaf_index LIMIT $7
