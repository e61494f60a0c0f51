//! Before and after a call that may end what is newer if it lands late.

use mint_store::Transaction;
use mint_types::{ApplicationId, IssuerObject, RotationId};

use super::Failed;
use super::calls::{instant, key, next_number, sent};
use crate::Error;
use crate::ledger::Ledger;
use crate::plan::{self, Rules};
use crate::state::{ApplicationState, Instant, object_name};

const NEXT: &str =
    "SELECT COALESCE(MAX(number), 0) + 1 AS number FROM end_call WHERE rotation = $1 AND object = $2";
const SEND: &str = "INSERT INTO end_call \
     (rotation, object, number, application, state, sent_at, sent_boot, sent_nanos) \
     VALUES ($1, $2, $3, $4, 'sent', $5, $6, $7)";
const SETTLE: &str = "UPDATE end_call SET state = $4 WHERE rotation = $1 AND object = $2 AND number = $3";
// it may have been sent later than its intent says
const UNANSWERED: &str = "UPDATE end_call SET state = 'sent', sent_at = $4, sent_boot = $5, sent_nanos = $6 \
     WHERE rotation = $1 AND object = $2 AND number = $3";
const OVER: &str =
    "UPDATE end_call SET state = 'over' WHERE application = $1 AND object = $2 AND state = 'sent'";

/// The numbers of the calls of one act that are waited for when they are not answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndCalls(Vec<(IssuerObject, i64)>);

impl EndCalls {
    /// The number of the call on an object; none if nobody has to wait for it.
    pub fn on(&self, object: IssuerObject) -> Option<i64> {
        self.0.iter().find(|(known, _)| *known == object).map(|(_, number)| *number)
    }
}

#[mint_port::points(service = "rotator", name = "ledger", list = END_POINTS)]
impl Ledger {
    /// Records that a call was not done, or that nobody knows: then it may land for as long as a call lives from now on.
    pub async fn end_failed(
        &self,
        rotation: RotationId,
        object: IssuerObject,
        number: i64,
        failed: Failed,
        now: &Instant,
    ) -> Result<(), Error> {
        let mut args = key(rotation, object, number);
        let sql = match failed {
            Failed::Void(_) => {
                args.push("void".into());
                SETTLE
            }
            Failed::Stray(_) => {
                args.push("answered".into());
                SETTLE
            }
            Failed::Unknown(_) => {
                args.extend(instant(now)?);
                UNANSWERED
            }
        };
        self.database.execute(sql, &args).await?;
        Ok(())
    }
}

/// Makes the intents of calls durable that are waited for, if nothing is to be waited for before them.
pub(super) async fn intend_ends(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    rotation: RotationId,
    objects: &[IssuerObject],
    now: &Instant,
) -> Result<EndCalls, Error> {
    let mut numbers = Vec::new();
    for object in objects {
        let number = next_number(transaction, NEXT, rotation, *object).await?;
        transaction.execute(SEND, &sent(application, rotation, *object, number, now)?).await?;
        numbers.push((*object, number));
    }
    Ok(EndCalls(numbers))
}

/// Refuses while a call on these objects may still land, and forgets those that cannot any more.
pub(super) async fn none_in_flight(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    state: &ApplicationState,
    objects: &[IssuerObject],
    rules: &Rules,
    now: &Instant,
) -> Result<(), Error> {
    plan::check_ends(state, objects, rules, now)?;
    for object in objects.iter().filter(|object| state.end_calls.iter().any(|call| call.object == **object)) {
        transaction.execute(OVER, &[application.as_str().into(), object_name(*object).into()]).await?;
    }
    Ok(())
}

/// A call was answered: it cannot land any more.
pub(super) async fn answered(
    transaction: &mut Transaction<'_>,
    rotation: RotationId,
    object: IssuerObject,
    number: Option<i64>,
) -> Result<(), Error> {
    if let Some(number) = number {
        let mut args = key(rotation, object, number);
        args.push("answered".into());
        transaction.execute(SETTLE, &args).await?;
    }
    Ok(())
}
