//! Before and after versions end at once because two operators say so.

use mint_store::{Row, Value};
use mint_types::{ApplicationId, CredentialKind, FencingToken, IssuerObject, RotationId, Version};

use super::ends::{EndCalls, answered, intend_ends, none_in_flight};
use super::retire::committed_in;
use crate::Error;
use crate::ledger::{Ledger, load_in, read};
use crate::plan::{self, Ask, Rules};
use crate::state::Instant;
use crate::statements::Demand;

const KNOWN: &str = "SELECT application, through, accepted_at, done_at, told FROM revocation \
     WHERE statement = $1 AND kind = $2";
const ACCEPT: &str = "INSERT INTO revocation (statement, kind, application, through, accepted_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (statement, kind) DO NOTHING";
const EXCUSE: &str = "UPDATE rotation SET excused_by = $2 WHERE rotation = $1 \
     AND state IN ('created', 'delivered', 'retiring')";
const DONE: &str = "UPDATE revocation SET done_at = $3, done_by = $4 \
     WHERE statement = $1 AND kind = $2 AND done_at IS NULL";
const TOLD: &str = "UPDATE revocation SET told = 1 WHERE statement = $1 AND kind = $2";

/// A statement that was believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its id.
    pub statement: String,
    /// Whose credential.
    pub application: String,
    /// The newest version on its kind's objects when it came.
    pub through: Version,
    /// When it came.
    pub accepted_at: mint_types::Timestamp,
    /// Whether all of them have ended.
    pub done: bool,
    /// Whether the audit log heard of it.
    pub told: bool,
}

/// What two operators let a rotation do before its receipt.
#[derive(Debug, Clone, Copy)]
pub struct Excuse<'a> {
    /// Which rotation.
    pub rotation: RotationId,
    /// By which statement.
    pub statement: &'a str,
    /// The objects on which it ends others by a call that may not come late.
    pub ends: &'a [IssuerObject],
    /// The objects on which it sets its value.
    pub sets: &'a [IssuerObject],
}

impl Revocation {
    fn of(statement: &str, row: &Row) -> Result<Self, Error> {
        Ok(Self {
            statement: statement.to_owned(),
            application: row.text("application")?,
            through: Version(row.unsigned("through")?),
            accepted_at: row.timestamp("accepted_at")?,
            done: row.optional_integer("done_at")?.is_some(),
            told: row.boolean("told")?,
        })
    }
}

#[mint_port::points(service = "rotator", name = "ledger", list = REVOKE_POINTS)]
impl Ledger {
    /// What is known of a statement.
    #[read]
    pub async fn revocation(
        &self,
        statement: &str,
        kind: CredentialKind,
    ) -> Result<Option<Revocation>, Error> {
        let row = self.database.query_optional(KNOWN, &[statement.into(), kind.as_str().into()]).await?;
        row.map(|row| Revocation::of(statement, &row)).transpose()
    }

    /// Remembers a believed statement with what there is on the kind's objects now; the first time counts.
    pub async fn accept_revocation(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        kind: CredentialKind,
        demand: &Demand,
        now: &Instant,
    ) -> Result<Revocation, Error> {
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                let args = [application.as_str().into()];
                let state = read::last_of(&transaction.query(read::LAST, &args).await?)?;
                let there = state.iter().filter(|(known, _)| plan::meet(kind, *known));
                let through = there.map(|(_, last)| last.0).max().unwrap_or(0);
                let args = [
                    demand.id.as_str().into(),
                    kind.as_str().into(),
                    application.as_str().into(),
                    Value::unsigned(through)?,
                    now.wall.into(),
                    demand.expires_at.into(),
                ];
                transaction.execute(ACCEPT, &args).await?;
                let row = transaction
                    .query_optional(KNOWN, &[demand.id.as_str().into(), kind.as_str().into()])
                    .await?;
                let row =
                    row.ok_or(mint_store::Error::Corrupt { detail: "a row that was written".into() })?;
                Revocation::of(&demand.id, &row)
            })
        })
        .await
    }

    /// Makes durable that a rotation may end its predecessors before its receipt, and the intents of its calls.
    pub async fn excuse(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        excuse: &Excuse<'_>,
        rules: &Rules,
        now: &Instant,
    ) -> Result<EndCalls, Error> {
        let Excuse { rotation, statement, ends, sets } = *excuse;
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                let state = load_in(transaction, application, rotation).await?;
                none_in_flight(transaction, application, &state, ends, rules, now).await?;
                let args = [rotation.to_string().into(), statement.into()];
                if transaction.execute(EXCUSE, &args).await? != 1 {
                    return Err(Error::RotationClosed { state: "closed", advice: "begin a new rotation" });
                }
                let calls: Vec<IssuerObject> = ends.iter().chain(sets).copied().collect();
                intend_ends(transaction, application, rotation, &calls, now).await
            })
        })
        .await
    }

    /// Records an answered call of an excused rotation.
    pub async fn ended_at_once(
        &self,
        application: &ApplicationId,
        ask: Ask,
        object: IssuerObject,
        call: Option<i64>,
        now: &Instant,
    ) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    answered(transaction, ask.rotation, object, call).await?;
                    let state = load_in(transaction, application, ask.rotation).await?;
                    // a second answer says nothing new, and must not sweep what was begun since the first
                    if state.rotation(ask.rotation).is_none_or(|own| own.committed_on(object) || !own.excused)
                    {
                        return Ok(());
                    }
                    committed_in(transaction, application, ask, object, now).await
                })
            })
            .await
    }

    /// Records that everything which a statement meant has ended.
    pub async fn revoked(
        &self,
        statement: &str,
        kind: CredentialKind,
        by: Option<RotationId>,
        now: &Instant,
    ) -> Result<(), Error> {
        let by = by.map(|rotation| rotation.to_string());
        let args = [statement.into(), kind.as_str().into(), now.wall.into(), by.as_deref().into()];
        self.database.execute(DONE, &args).await?;
        Ok(())
    }

    /// Records that the audit log has the outcome.
    pub async fn revocation_told(&self, statement: &str, kind: CredentialKind) -> Result<(), Error> {
        self.database.execute(TOLD, &[statement.into(), kind.as_str().into()]).await?;
        Ok(())
    }
}
