//! Before and after a value is set at the issuer because a destination has it (*replace*).

use std::time::Duration;

use mint_store::Value;
use mint_types::{ApplicationId, FencingToken, IssuerObject};

use super::calls::instant;
use super::deliver::others_are_previous;
use super::ends::{EndCalls, answered, intend_ends};
use super::retire::committed_in;
use crate::Error;
use crate::ledger::{Ledger, load_in};
use crate::plan::Ask;
use crate::state::Instant;

const FIRST_WRITE: &str = "UPDATE rotation SET first_write_at = $2, first_write_boot = $3, first_write_nanos = $4 \
     WHERE rotation = $1 AND state = 'created' AND first_write_at IS NULL";
const SET: &str = "UPDATE rotation SET set_at = $2, set_window_micros = $3 WHERE rotation = $1";
// found by its application: versions are not listed by rotation
const CURRENT: &str = "UPDATE version SET stage = 'current' \
     WHERE application = $1 AND rotation = $2 AND stage = 'pending' AND version > 0";

#[mint_port::points(service = "rotator", name = "ledger", list = SET_POINTS)]
impl Ledger {
    /// Records that a destination has the value, which is the intent of setting it on these objects; answers since when it is
    /// known. From here on the rotation cannot be given up before the issuer has the value too.
    pub async fn first_write(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        ask: Ask,
        objects: &[IssuerObject],
        now: &Instant,
    ) -> Result<(Instant, EndCalls), Error> {
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                let [wall, boot, nanos] = instant(now)?;
                transaction
                    .execute(FIRST_WRITE, &[ask.rotation.to_string().into(), wall, boot, nanos])
                    .await?;
                let state = load_in(transaction, application, ask.rotation).await?;
                let since = state.rotation(ask.rotation).and_then(|rotation| rotation.first_write.clone());
                let since = since
                    .ok_or(Error::RotationClosed { state: "given up", advice: "begin a new rotation" })?;
                let calls = intend_ends(transaction, application, ask.rotation, objects, now).await?;
                Ok((since, calls))
            })
        })
        .await
    }

    /// Records that the issuer has the value on these objects and that a login showed it: the older versions there are
    /// ended, the new one is current, and consumers were shut out for at most the window.
    pub async fn value_set(
        &self,
        application: &ApplicationId,
        ask: Ask,
        objects: &[IssuerObject],
        calls: &EndCalls,
        window: Duration,
        now: &Instant,
    ) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    for object in objects {
                        answered(transaction, ask.rotation, *object, calls.on(*object)).await?;
                        committed_in(transaction, application, ask, *object, now).await?;
                    }
                    others_are_previous(transaction, application, ask).await?;
                    let rotation = Value::from(ask.rotation.to_string());
                    let micros = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
                    transaction.execute(SET, &[rotation.clone(), now.wall.into(), micros.into()]).await?;
                    transaction.execute(CURRENT, &[application.as_str().into(), rotation]).await?;
                    Ok(())
                })
            })
            .await
    }
}
