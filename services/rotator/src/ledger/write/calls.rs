//! What rows of calls have in common, whether they make something or end it: a number for each of a rotation on an object,
//! and when it was sent.

use mint_store::{Transaction, Value};
use mint_types::{ApplicationId, IssuerObject, RotationId};

use crate::Error;
use crate::state::{Instant, object_name};

/// The next number of a call; `sql` asks for it.
pub(super) async fn next_number(
    transaction: &mut Transaction<'_>,
    sql: &'static str,
    rotation: RotationId,
    object: IssuerObject,
) -> Result<i64, Error> {
    let rows = transaction.query(sql, &[rotation.to_string().into(), object_name(object).into()]).await?;
    Ok(rows.first().map_or(Ok(1), |row| row.integer("number"))?)
}

/// The columns of a call that is about to be sent.
pub(super) fn sent(
    application: &ApplicationId,
    rotation: RotationId,
    object: IssuerObject,
    number: i64,
    now: &Instant,
) -> Result<Vec<Value>, Error> {
    let mut columns = key(rotation, object, number);
    columns.push(application.as_str().into());
    columns.extend(instant(now)?);
    Ok(columns)
}

/// Which call.
pub(super) fn key(rotation: RotationId, object: IssuerObject, number: i64) -> Vec<Value> {
    vec![rotation.to_string().into(), object_name(object).into(), number.into()]
}

/// Both clocks, in the order of their columns.
pub(super) fn instant(now: &Instant) -> Result<[Value; 3], Error> {
    let Instant { wall, monotonic } = now;
    Ok([(*wall).into(), monotonic.boot.as_str().into(), Value::unsigned(monotonic.nanos)?])
}
