//! When every destination has a version, and since when consumers have time.

use mint_issuer_contract::EndsOf;
use mint_store::{Transaction, Value};
use mint_types::{ApplicationId, CredentialKind, FencingToken, RotationId, Version};

use super::key;
use crate::Error;
use crate::ledger::{Ledger, load_in};
use crate::plan::{self, Ask};
use crate::state::{Instant, LiveVersion};

const DELIVERED: &str = "UPDATE rotation SET state = 'delivered', delivery_envelope = NULL, probe_envelope = NULL \
     WHERE rotation = $1 AND state = 'created'";
const PREVIOUS: &str = "UPDATE version SET stage = 'previous' \
     WHERE application = $1 AND kind = $2 AND version = $3 AND stage = 'current'";
// found by its application: versions are not listed by rotation
const CURRENT: &str = "UPDATE version SET stage = 'current', delivered_at = $3 WHERE application = $1 AND rotation = $2 \
     AND stage IN ('pending', 'current') AND delivered_at IS NULL AND version > 0";
const OVERLAP: &str =
    "INSERT INTO overlap (rotation, boot, nanos) VALUES ($1, $2, $3) ON CONFLICT (rotation, boot) DO NOTHING";

#[mint_port::points(service = "rotator", name = "ledger", list = DELIVER_POINTS)]
impl Ledger {
    /// Accepts a receipt: the version becomes current, the envelopes are forgotten, the overlap begins.
    pub async fn deliver(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
        ends: EndsOf,
        now: &Instant,
    ) -> Result<(), Error> {
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                let rotation = Value::from(ask.rotation.to_string());
                if transaction.execute(DELIVERED, std::slice::from_ref(&rotation)).await? != 1 {
                    // accepted before, or given up since it was looked at
                    let state = load_in(transaction, application, ask.rotation).await?;
                    return plan::accept(&state, ask, ends).map(drop);
                }
                others_are_previous(transaction, application, ask).await?;
                let current = [application.as_str().into(), rotation, now.wall.into()];
                transaction.execute(CURRENT, &current).await?;
                stamp(transaction, ask.rotation, now).await
            })
        })
        .await
    }

    /// Begins to count the overlap on this boot.
    pub async fn begin_overlap(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
        now: &Instant,
    ) -> Result<(), Error> {
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move { stamp(transaction, ask.rotation, now).await })
        })
        .await
    }
}

/// The other versions on a rotation's objects are not the newest any more.
pub(super) async fn others_are_previous(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    ask: Ask,
) -> Result<(), Error> {
    let state = load_in(transaction, application, ask.rotation).await?;
    let shares = |kind: CredentialKind| {
        kind.issuer_objects().iter().any(|object| ask.kind.issuer_objects().contains(object))
    };
    let other =
        |version: &&LiveVersion| version.rotation != ask.rotation || version.version == Version::FOREIGN;
    for version in state.versions.iter().filter(other).filter(|version| shares(version.kind)) {
        transaction.execute(PREVIOUS, &key(application, version.kind, version.version)?).await?;
    }
    Ok(())
}

async fn stamp(transaction: &mut Transaction<'_>, rotation: RotationId, now: &Instant) -> Result<(), Error> {
    let args = [
        rotation.to_string().into(),
        now.monotonic.boot.as_str().into(),
        Value::unsigned(now.monotonic.nanos)?,
    ];
    transaction.execute(OVERLAP, &args).await?;
    Ok(())
}
