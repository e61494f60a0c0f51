//! What people and executors sign because no single service may decide it.
//!
//! # Purpose
//! A [`Statement`] is what somebody wants in writing: operators release held removals or end a version at once, an owner
//! confirms where its credentials go, identity-provisioner permits a removal that it has counted. A
//! [`SignedStatement`] carries it with the signatures; whoever has the power verifies it against [`TrustedKeys`], so that
//! it does not matter through whose hands it came.
//!
//! # Permission
//! None of its own. A signing key belongs to one signer; the trusted public keys are a file that the administrator
//! mounts into every executor.
//!
//! # Never
//! - believes a statement of which one byte was changed: `a_statement_with_any_byte_changed_is_refused`
//! - counts one signer twice: `two_signatures_of_one_operator_are_one_signer`
//! - believes a key that is not trusted: `a_stranger_signs_nothing`
//! - takes whom a catalog names for the owner whom an executor knows:
//!   `the_owner_is_whom_the_executor_knows_and_whom_the_catalog_names_is_an_heir`
//! - believes what has expired, is not valid yet or lives too long: `time_bounds_a_statement`
//! - believes or signs a release of more removals than one statement may: `a_release_is_moderate_whoever_signs_it`
//! - reads a statement that says more than this version understands: `an_unknown_field_is_refused`
//! - signs with a key that others on the machine can read: `a_key_file_that_others_can_read_is_refused`
//!
//! # Shape
//! `statement` (what is said), `envelope` (DSSE: <https://github.com/secure-systems-lab/dsse>, protocol v1), `key` (who says
//! it, and who is believed), `confirmation` (whose word counts about destinations). Pure but for reading a key file.
//!
//! # Decisions
//! - *DSSE, not JWS*: several signatures over one payload are its plain case, the payload's type is signed, and nothing
//!   has to be canonical: what is verified are the very bytes that are parsed.
//! - *Statement keys are not TLS keys*: an SVID lives an hour and signs nothing that is stored.
//! - *A statement has an id and an end*, at most [`LONGEST_LIFE`] after its beginning: whoever acts on it remembers the id
//!   until then, so that nothing is done twice by replay.
//! - *This is no plaintext carrier*: the crate stands apart from `libs/secret`, so that services without secrets can verify.

mod confirmation;
mod envelope;
mod error;
mod key;
mod statement;

pub use confirmation::Confirmation;
pub use envelope::{PAYLOAD_TYPE, SignedStatement, Verified};
pub use error::Error;
pub use key::{KeyId, Signer, StatementKey, TrustedKey, TrustedKeys};
pub use statement::{
    DestinationSet, LONGEST_LIFE, MOST_ACTS, Place, Removal, Statement, StatementId, Subject,
};
