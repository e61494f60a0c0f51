SELECT * FROM applications
WHERE application_id = $1 AND fencing_token = $2 AND lease_holder = $3 AND stir = $4 AND reserved_from > 0
