//! The embedded world: a registry, an IAM solution, STS and S3 in one process, so that Mint can be watched and tested
//! on one machine against the wire formats that it meets in the field.
//!
//! # Purpose
//! `mint-sandbox` plays everything that Mint does not own: the Kio registry, the service-user
//! API and OAuth 2.0 token endpoint, a second IAM solution (Glewlwyd), the platform's token issuer, STS and S3 that
//! evaluate the very policies of `services/*/permissions/aws.json`. It logs every call, and lets ordered faults happen
//! to them.
//!
//! # Permission
//! None outside this machine: it listens on loopback, and calls nobody but a credential broker on loopback, for its
//! published keys.
//!
//! # Never
//! - keeps a secret in plaintext: `no_issued_secret_is_in_the_state_in_plaintext`
//! - answers a change before it is durable: `a_restart_keeps_users_credentials_and_open_transactions`
//! - ends a Glewlwyd password that a PUT keeps, or keeps one that it retires:
//!   `a_glewlwyd_user_lives_with_several_passwords_until_it_is_deleted`
//! - lets two secrets of a Glewlwyd client live: `a_glewlwyd_client_has_one_secret_that_is_replaced_at_once`
//! - leaves a credential that has not ended out of `/live`, or shows a secret there:
//!   `every_credential_that_has_not_ended_is_listed_as_alive`, `what_is_alive_is_listed_without_a_secret`
//! - ends a password at once that a commit supersedes: `older_passwords_live_on_for_the_grace_and_end_after_it`
//! - lets one service make another one's calls: `a_token_is_good_for_its_own_calls_only`
//! - forgets a call because its caller has gone: `a_lost_answer_was_done_and_is_in_the_log`
//! - listens beyond this machine: `a_listener_outside_of_this_machine_is_refused`
//! - does at S3 what the caller's policy does not allow: `every_principal_has_its_one_power_and_no_other`
//! - shows an application another one's directory: `an_application_reads_its_own_directory_only`
//! - opens a role to another subject than its own: `a_role_trusts_one_subject_only`
//! - opens a directory to a session without its own tag, or a tagged role to a token without one:
//!   `the_brokers_reader_lists_and_reads_its_own_directory_and_no_other`,
//!   `an_untagged_token_is_refused_by_the_role_whoever_signs_it`
//! - takes an access key without its session token: `a_stolen_access_key_is_worth_nothing_without_its_own_session_token`
//! - takes a presigned write after its time: `a_presigned_put_is_good_until_it_expires_and_for_nothing_else`
//! - keeps an object outside of `DIR/sandbox/s3`: `a_key_never_leaves_its_bucket`
//!
//! # Shape
//! `world` is the registry file. `kio`, `issuer`, `oauth` and `glewlwyd` answer on the main listener, with `sts` and
//! `platform`; `s3` has its own. Each call passes the `gate`, which enters it into `calls` and takes `faults`. `state` is
//! SQLite below `DIR/sandbox`. [`Sandbox::start`] is where the parts meet.
//!
//! For tests only, on the main listener: `GET /calls?since=N`, `GET|POST|DELETE /faults` (`DELETE …?match=PART` takes only the orders with that match back), `POST /registry`, and
//! `GET /live?application=ID`: `{"application", "objects": [{"issuer": "service-user"|"glewlwyd", "object":
//! "user"|"client", "name", "state": "enabled"|"disabled"|"deleted", "deleted_us", "live", "versions", "refresh_tokens", "redirect_urls"}]}`.
//! `versions` are the credentials that have not ended: `{"id", "transaction", "state":
//! "pending"|"committed"|"in_grace", "opens", "created_us", "valid_until_us"}`; `live` is how many of them open the door
//! now. `transaction` is the `txid` of the service-user API, `id` a client's id or an id inside Glewlwyd, never a secret.
//!
//! What a driver of Glewlwyd needs: base URL `…/glewlwyd`, API keys in `DIR/run/secrets/<service>/glewlwyd-token` of
//! identity-provisioner and rotator (`Authorization: token KEY`), and for refresh tokens, which no key opens, an
//! administrator in `rotator/glewlwyd-admin.json`: the body of `POST /api/auth/`, which answers a session cookie.
//!
//! # Decisions
//! - *It is not a vault.* Secrets are hashed with argon2id at m = 1 MiB, t = 1, p = 1, so that a constellation under
//!   test can log in fifty times a second in a debug build; the canary tests need hashes, not strength.
//! - *Glewlwyd answers as the real server did*, call by call, also where that surprises. It has one power for the
//!   whole admin API, so either service's key may do all of it; the log says who did. Secrets are the caller's, so
//!   canaries are too. Whose a user or client is, is told from its name: prefix and application id, and more after `_`,
//!   `-` or `.`.
//! - *Issued secrets are marked* (`mint-canary-pw-…`, `mint-canary-cs-…`) so that a leak is found by a search. Bearer
//!   tokens and the prober's secret are not: they stand in files on purpose. They survive a restart in these files.
//! - *A call runs on when its caller has gone*, as in a real server: otherwise no unknown outcome could be tested.
//! - *A lost answer closes the connection* (the service fails in hyper), it is not an empty answer.
//! - *A client that turns public is open at once, one that turns confidential stays open* until a new one is
//!   committed: the delivered file keeps working, which is what the real issuer's overlap is for.
//! - *A commit that a later one overtook answers 409*, an unknown transaction 404: the first is a bug worth seeing.
//! - *Access tokens are JWTs and not stored*: fifty logins a second cost no write. Only revocations are rows.
//! - *A user is disabled if neither it nor its client has a scope.* An application without scopes of its own must
//!   therefore be put with those that everybody has (`uid`).
//! - *`POST /registry` outlives a restart* until the file's text of that application changes.
//! - *AWS sessions have no table.* The secret key is computed from the access key id, and the session token proves the
//!   rest, so that they survive a restart with one key file; nothing is swept.
//! - *One role per account reads for every application by its session tag* (`mint-tagged-reader`), where the world has a
//!   credential broker (`--broker-issuer`). An application called like another one's prefix reads below that prefix: who
//!   gives tags to applications gives them no prefix of that name, or a role for each.
//! - *The teams are taken to trust Mint's account.* A real distributor needs the bucket's policy too, because the bucket
//!   is another account's; here only the `Deny` of `world.refuse_writes` is one. A bucket is granted with the prefixes
//!   that the registry has in it, and whole if it has none.
//! - *A bucket that nobody knows comes to be with the distributor's first write*, if the write names a team's account as
//!   its owner; and a reader may read wherever its application was delivered to in its own account. `mint app set`
//!   gives an application a new bucket or prefix, and there is no console here to make one in.
//! - *S3 is as small as Mint's use of it.* What is not done (multipart, versions, tags) is answered NotImplemented, and
//!   only to who would be allowed to. DeleteObjects is refused as a whole unless the whole bucket is granted.
//! - *A missing `x-amz-content-sha256` is computed*, where AWS refuses: Debian's curl signs without sending it.

#![forbid(unsafe_code)]

mod bearer;
mod calls;
mod cloud;
#[cfg(test)]
mod cloud_fixture;
mod error;
mod faults;
mod federation;
mod gate;
mod glewlwyd;
mod ground;
mod hooks;
mod issuer;
mod jwt;
mod kio;
mod live;
mod naming;
mod oauth;
mod options;
mod parent;
mod platform;
mod policies;
mod private_file;
mod reply;
mod s3;
mod sandbox;
mod serve;
pub mod source;
mod state;
mod sts;
mod vault;
mod world;

pub use error::Error;
use ground::Ground;
pub use options::Options;
pub use parent::ends_with_parent;
pub use sandbox::Sandbox;
pub use world::Invalid;
