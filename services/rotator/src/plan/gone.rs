//! What it means that an issuer does not know the version which an end is to keep.

use mint_issuer_contract::IssuerError;
use mint_types::IssuerObject;

use super::{Ask, ended_by};
use crate::Error;
use crate::state::ApplicationState;

/// So many older versions may stand on an object while a rotation there is given up: an issuer that denies what it has,
/// again and again, piles up no more than these.
pub const MOST_LEFT: usize = 3;

/// Whether a rotation whose end was refused may be given up, if the issuer knows the user. Nothing is taken for ended by
/// that: who denies a version may lie. What lived still lives, and the fresh version's end sweeps it.
pub fn may_be_gone(state: &ApplicationState, ask: Ask, object: IssuerObject, refused: &IssuerError) -> bool {
    let own = state.rotation(ask.rotation);
    refused.says_unknown()
        && own.is_some_and(|own| own.state.is_open() && own.made.is_some() && !own.committed_on(object))
        && ended_by(state, ask, object).len() <= MOST_LEFT
}

/// The refused end, unless it says that the version is gone.
pub fn refused_end(error: &Error) -> Option<&IssuerError> {
    match error {
        Error::Issuer { error, .. } if error.says_unknown() => Some(error),
        _ => None,
    }
}
