//! The error budget of an issuer: what it answered that was not true, and whether rotations there are halted.

use std::time::Duration;

use mint_store::{Row, Transaction, Value};
use mint_types::{ApplicationId, Timestamp};

use crate::Error;
use crate::ledger::Ledger;
use crate::plan::{self, Ask, ErrorBudget};
use crate::state::Instant;

const NEXT: &str = "SELECT COALESCE(MAX(number), 0) + 1 AS number FROM lie WHERE issuer = $1";
const LIE: &str = "INSERT INTO lie (issuer, number, application, kind, rotation, reason, told_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const KNOWN: &str = "SELECT number FROM lie WHERE issuer = $1 AND rotation = $2 AND reason = $3";
const STANDING: &str = "SELECT halted_at, resumed_at, resumed_by, forgiven FROM issuer WHERE issuer = $1";
const RECENT: &str = "SELECT number, application, reason, told_at FROM lie \
     WHERE issuer = $1 AND told_at > $2 ORDER BY number DESC";
const HALT: &str = "INSERT INTO issuer (issuer, halted_at) VALUES ($1, $2) \
     ON CONFLICT (issuer) DO UPDATE SET halted_at = excluded.halted_at";
const RESUME: &str = "INSERT INTO issuer (issuer, halted_at, resumed_at, resumed_by, forgiven) \
     VALUES ($1, NULL, $2, $3, $4) ON CONFLICT (issuer) DO UPDATE SET halted_at = NULL, \
     resumed_at = excluded.resumed_at, resumed_by = excluded.resumed_by, forgiven = excluded.forgiven";

/// One answer of the issuer that was not true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lie {
    /// Its number, ascending.
    pub number: u64,
    /// The application that it was seen at.
    pub application: String,
    /// Stable reason.
    pub reason: String,
    /// When it was seen.
    pub at: Timestamp,
}

/// How an issuer stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IssuerStanding {
    /// Since when nothing is made or ended there.
    pub halted_at: Option<Timestamp>,
    /// When an operator resumed it last.
    pub resumed_at: Option<Timestamp>,
    /// Who.
    pub resumed_by: Option<String>,
    /// What counts against the budget now, newest first.
    pub lies: Vec<Lie>,
}

#[mint_port::points(service = "rotator", name = "ledger", list = ISSUER_POINTS)]
impl Ledger {
    /// How an issuer stands.
    #[read]
    pub async fn issuer(
        &self,
        issuer: &str,
        window: Duration,
        now: &Instant,
    ) -> Result<IssuerStanding, Error> {
        let standing = self.database.query_optional(STANDING, &[issuer.into()]).await?;
        let recent = self.database.query(RECENT, &[issuer.into(), before(now, window).into()]).await?;
        read(standing.as_ref(), &recent)
    }

    /// Counts an answer that was not true, once per rotation and reason (one application's trouble must not halt all
    /// others), and halts the issuer when its budget is used up. The truth is written down
    /// whoever holds the lease by now.
    pub async fn lied(
        &self,
        budget: &ErrorBudget,
        application: &ApplicationId,
        ask: Ask,
        reason: &'static str,
        now: &Instant,
    ) -> Result<IssuerStanding, Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    let issuer = Value::from(budget.issuer);
                    let known = [issuer.clone(), ask.rotation.to_string().into(), reason.into()];
                    if transaction.query_optional(KNOWN, &known).await?.is_none() {
                        let number = next(transaction, &issuer).await?;
                        let [issuer, rotation, reason] = known;
                        let (application, kind) = (application.as_str().into(), ask.kind.as_str().into());
                        let at = now.wall.into();
                        let args = [issuer, number.into(), application, kind, rotation, reason, at];
                        transaction.execute(LIE, &args).await?;
                    }
                    let recent = [issuer.clone(), before(now, budget.window).into()];
                    let recent = transaction.query(RECENT, &recent).await?;
                    let standing =
                        transaction.query_optional(STANDING, std::slice::from_ref(&issuer)).await?;
                    let mut standing = read(standing.as_ref(), &recent)?;
                    if standing.halted_at.is_none() && plan::is_used_up(&standing, budget) {
                        transaction.execute(HALT, &[issuer, now.wall.into()]).await?;
                        standing.halted_at = Some(now.wall);
                    }
                    Ok(standing)
                })
            })
            .await
    }

    /// Lets rotations at an issuer go on: what it did before counts no more.
    pub async fn resume_issuer(&self, issuer: &str, by: &str, now: &Instant) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    let issuer = Value::from(issuer);
                    let forgiven = next(transaction, &issuer).await? - 1;
                    transaction
                        .execute(RESUME, &[issuer, now.wall.into(), by.into(), forgiven.into()])
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

fn before(now: &Instant, window: Duration) -> Timestamp {
    let micros = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_unix_micros(now.wall.unix_micros().saturating_sub(micros))
}

async fn next(transaction: &mut Transaction<'_>, issuer: &Value) -> Result<i64, Error> {
    let rows = transaction.query(NEXT, std::slice::from_ref(issuer)).await?;
    Ok(rows.first().map_or(Ok(1), |row| row.integer("number"))?)
}

fn read(standing: Option<&Row>, recent: &[Row]) -> Result<IssuerStanding, Error> {
    let lie = |row: &Row| -> Result<Lie, Error> {
        Ok(Lie {
            number: row.unsigned("number")?,
            application: row.text("application")?,
            reason: row.text("reason")?,
            at: row.timestamp("told_at")?,
        })
    };
    let mut lies = recent.iter().map(lie).collect::<Result<Vec<_>, _>>()?;
    let Some(row) = standing else {
        return Ok(IssuerStanding { lies, ..IssuerStanding::default() });
    };
    let forgiven = row.unsigned("forgiven")?;
    lies.retain(|lie| lie.number > forgiven);
    Ok(IssuerStanding {
        halted_at: row.optional_timestamp("halted_at")?,
        resumed_at: row.optional_timestamp("resumed_at")?,
        resumed_by: row.optional_text("resumed_by")?,
        lies,
    })
}
