-- Run by an administrator, before `mint-rotator migrate` as the owner of the schema (first part) and again after it
-- (second part). The service connects as mint_rotator and owns nothing. It deletes nothing, and never rewrites what was
-- asked or made (an unanswered attempt counts from when it was given up): the ledger is how anybody can account for every version that the issuer was made to produce.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mint_rotator') THEN
    CREATE ROLE mint_rotator LOGIN NOINHERIT CONNECTION LIMIT 40;
  END IF;
END
$$;
CREATE SCHEMA IF NOT EXISTS rotator;
REVOKE ALL ON SCHEMA rotator FROM PUBLIC;
GRANT USAGE ON SCHEMA rotator TO mint_rotator;

DO $$
BEGIN
  IF to_regclass('rotator.mint_migrations') IS NOT NULL THEN
    GRANT SELECT ON rotator.mint_migrations, rotator.mint_origins TO mint_rotator;
    GRANT SELECT, INSERT, UPDATE (token) ON rotator.fence TO mint_rotator;
    GRANT SELECT, INSERT,
          UPDATE (state, previous_version, version, version_id, fingerprint, envelope_digest, delivery_envelope,
                  probe_envelope, password_txid, client_txid, user_committed_at, client_committed_at, retired_version,
                  retired_at, retired_boot, retired_nanos, dead_at, create_told, retire_told, prove_told,
                  first_write_at, first_write_boot, first_write_nanos, set_at, set_window_micros, set_told,
                  excused_by, proof_logins, proof_alive, proof_at, proof_boot, proof_nanos)
      ON rotator.rotation TO mint_rotator;
    GRANT SELECT, INSERT ON rotator.overlap TO mint_rotator;
    GRANT SELECT, INSERT,
          UPDATE (stage, delivered_at, user_ended_at, client_ended_at, ended_at, ended_by)
      ON rotator.version TO mint_rotator;
    GRANT SELECT, INSERT, UPDATE (state, reason, sent_at, sent_boot, sent_nanos) ON rotator.attempt TO mint_rotator;
    GRANT SELECT, INSERT, UPDATE (state, sent_at, sent_boot, sent_nanos) ON rotator.end_call TO mint_rotator;
    GRANT SELECT, INSERT, UPDATE (done_at, done_by, told) ON rotator.revocation TO mint_rotator;
    GRANT SELECT, INSERT, UPDATE (version, tries, refused, tried_at, tried_boot, tried_nanos)
      ON rotator.checks TO mint_rotator;
    GRANT SELECT, INSERT ON rotator.lie TO mint_rotator;
    GRANT SELECT, INSERT, UPDATE (halted_at, resumed_at, resumed_by, forgiven) ON rotator.issuer TO mint_rotator;
  END IF;
END
$$;
