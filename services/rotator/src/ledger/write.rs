//! What is written when. Writes that allow an act check the fencing token again; writes that record what happened do
//! not: the truth is written down whoever holds the lease by now.

mod calls;
mod check;
mod create;
mod deliver;
mod ends;
mod issuer;
mod retire;
mod revoke;
mod set;

use mint_issuer_contract::{EndsOf, IssuerError};
use mint_store::{Transaction, Value};
use mint_types::{ApplicationId, CredentialKind, FencingToken, IssuerObject, Version};

use super::{Ledger, load_in};
use crate::Error;
use crate::plan::{self, Ask};
use crate::state::Instant;

pub use create::{Begun, Failed};
pub use ends::EndCalls;
pub use issuer::{IssuerStanding, Lie};
pub use revoke::{Excuse, Revocation};

const OPEN: &str = "INSERT INTO rotation (rotation, application, kind, state, opened_at) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (rotation) DO NOTHING";
const OF_ANOTHER: &str =
    "SELECT rotation FROM rotation WHERE rotation = $1 AND (application <> $2 OR kind <> $3)";
const ABANDON: &str = "UPDATE rotation SET state = 'abandoned', delivery_envelope = NULL, probe_envelope = NULL \
     WHERE rotation = $1 AND state IN ('creating', 'created')";

const GIVE_UP: &str = "UPDATE rotation SET state = 'superseded', delivery_envelope = NULL, probe_envelope = NULL \
     WHERE rotation = $1 AND state IN ('created', 'delivered', 'retiring')";

/// Which outcome the audit log has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToldOf {
    /// Of Create.
    Create,
    /// Of Retire.
    Retire,
    /// Of Prove.
    Prove,
    /// Of setting the value.
    Set,
}

#[mint_port::points(service = "rotator", name = "ledger", list = WRITE_POINTS)]
impl Ledger {
    /// Gives a rotation up whose version is not at the issuer any more, if that may be (`refused` says how it came); answers
    /// whether. What it was to end lives on in the ledger until the next rotation's end.
    pub async fn give_up(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
        object: IssuerObject,
        refused: &IssuerError,
    ) -> Result<bool, Error> {
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                let state = load_in(transaction, application, ask.rotation).await?;
                if !plan::may_be_gone(&state, ask, object, refused) {
                    return Ok(false);
                }
                transaction.execute(GIVE_UP, &[ask.rotation.to_string().into()]).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Gives a rotation up. One that is not known yet is written down as given up. With `ends`, not while a destination has a
    /// value that the issuer lacks; without, also then: nobody can read it any more.
    pub async fn abandon(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
        ends: impl Into<Option<EndsOf>> + Send,
        now: &Instant,
    ) -> Result<(), Error> {
        let ends = ends.into();
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                let state = load_in(transaction, application, ask.rotation).await?;
                match ends {
                    Some(ends) => plan::abandon(&state, ask, ends)?,
                    None => plan::forsake(&state, ask)?,
                };
                open(transaction, application, ask, "abandoned", now).await?;
                transaction.execute(ABANDON, &[ask.rotation.to_string().into()]).await?;
                Ok(())
            })
        })
        .await
    }
}

async fn open(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    ask: Ask,
    state: &'static str,
    now: &Instant,
) -> Result<(), Error> {
    let rotation = Value::from(ask.rotation.to_string());
    let key = [rotation.clone(), application.as_str().into(), ask.kind.as_str().into()];
    if transaction.query_optional(OF_ANOTHER, &key).await?.is_some() {
        return Err(Error::RotationMismatch(ask.rotation));
    }
    let [rotation, application, kind] = key;
    transaction.execute(OPEN, &[rotation, application, kind, state.into(), now.wall.into()]).await?;
    Ok(())
}

fn key(application: &ApplicationId, kind: CredentialKind, version: Version) -> Result<Vec<Value>, Error> {
    Ok(vec![application.as_str().into(), kind.as_str().into(), Value::unsigned(version.0)?])
}
