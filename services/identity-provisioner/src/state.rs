//! What identity-provisioner knows by itself: identities, fencing tokens, and what it has taken away.

use std::time::Duration;

use mint_store::{Database, Migration, Row, Transaction, Value};
use mint_types::{Admitted, ApplicationId, Budget, Fence, FencingToken, Revision, Scope, Timestamp};

use crate::{
    Error,
    model::{Known, Order, Stage},
    plan::Taking,
};

/// The schema's name on PostgreSQL.
pub const SCHEMA: &str = "identity_provisioner";

/// The schema.
pub const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, name: "identities", sql: include_str!("sql/migrations_0001.sql") }];

/// Invariant I6 counts by the day.
const DAY: Duration = Duration::from_hours(24);

const ONE: &str = "SELECT * FROM identities WHERE application_id = $1";
const INTEND: &str = include_str!("sql/identities_intend.sql");
const APPLY: &str = include_str!("sql/identities_apply.sql");
const FENCE: &str = "INSERT INTO fences (application_id, token) VALUES ($1, $2) \
     ON CONFLICT (application_id) DO UPDATE SET token = excluded.token";
const FLEET: &str = "SELECT COUNT(*) AS fleet FROM identities WHERE stage IN ('enabled', 'disabled')";
const SPENT: &str =
    "SELECT application_id, act FROM spending WHERE spent_at > $1 GROUP BY application_id, act";
const SPEND: &str = "INSERT INTO spending (application_id, act, spent_at) VALUES ($1, $2, $3)";

/// What is about to be asked of the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The user's name.
    pub username: String,
    /// What it is to become.
    pub stage: Stage,
    /// It existed before Mint first saw it.
    pub foreign: bool,
    /// What is taken away.
    pub takes: Option<Taking>,
}

/// What the issuer confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The client id; none leaves the one that is known.
    pub client_id: Option<String>,
    /// What the identity is now.
    pub stage: Stage,
    /// The `identity_revision` that was applied.
    pub revision: Revision,
    /// The scopes that were applied.
    pub scopes: Vec<Scope>,
}

/// The durable state. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    database: Database,
    budget: Budget,
}

#[mint_port::points(service = "identity-provisioner", name = "state", list = POINTS)]
impl State {
    /// In a database, with invariant I6's numbers.
    pub fn new(database: Database, budget: Budget) -> Self {
        Self { database, budget }
    }

    /// Remembers the highest token, and refuses a lower one (invariant I3).
    pub async fn fence(&self, order: &Order) -> Result<(), Error> {
        self.database.write(|transaction| Box::pin(fenced(transaction, order))).await
    }

    /// What is known of an identity.
    #[read]
    pub async fn known(&self, application: &ApplicationId) -> Result<Option<Known>, Error> {
        let row = self.database.query_optional(ONE, &[application.as_str().into()]).await?;
        row.as_ref().map(known).transpose()
    }

    /// Makes durable what is about to be asked, if the token still is the highest and the budget allows it.
    pub async fn intend(&self, order: &Order, intent: &Intent, now: Timestamp) -> Result<(), Error> {
        let budget = self.budget;
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    fenced(transaction, order).await?;
                    if let Some(takes) = intent.takes {
                        spend(transaction, &order.application, takes, budget, now).await?;
                    }
                    let args = [
                        order.application.as_str().into(),
                        intent.username.as_str().into(),
                        intent.stage.as_str().into(),
                        intent.foreign.into(),
                        now.into(),
                    ];
                    transaction.execute(INTEND, &args).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Makes durable what the issuer confirmed; answers what is known now.
    pub async fn apply(
        &self,
        application: &ApplicationId,
        applied: &Applied,
        now: Timestamp,
    ) -> Result<Known, Error> {
        let scopes = serde_json::to_string(&applied.scopes).map_err(|_| corrupt("scopes"))?;
        let args = [
            application.as_str().into(),
            applied.client_id.as_deref().into(),
            applied.stage.as_str().into(),
            Value::unsigned(applied.revision.0)?,
            scopes.into(),
            now.into(),
        ];
        self.database.execute(APPLY, &args).await?;
        self.known(application).await?.ok_or_else(|| Error::UnknownIdentity(application.clone()))
    }

    /// The catalog has it, and the audit log its outcome.
    pub async fn settle(&self, application: &ApplicationId) -> Result<(), Error> {
        let settle = "UPDATE identities SET settled = 1 WHERE application_id = $1 AND intended IS NULL";
        self.database.execute(settle, &[application.as_str().into()]).await?;
        Ok(())
    }
}

async fn fenced(transaction: &mut Transaction<'_>, order: &Order) -> Result<(), Error> {
    let application = [order.application.as_str().into()];
    let row = transaction
        .query_optional("SELECT token FROM fences WHERE application_id = $1", &application)
        .await?;
    let highest = row.map(|row| row.unsigned("token")).transpose()?;
    let admitted = Fence(highest.map(FencingToken)).admit(order.token);
    let admitted =
        admitted.map_err(|stale| Error::StaleToken { application: order.application.clone(), stale })?;
    if admitted == Admitted::Raises {
        let args = [order.application.as_str().into(), Value::unsigned(order.token.0)?];
        transaction.execute(FENCE, &args).await?;
    }
    Ok(())
}

/// Writes into the books, before the act, what is taken away. A repetition within a day is paid for already.
async fn spend(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    takes: Taking,
    budget: Budget,
    now: Timestamp,
) -> Result<(), Error> {
    let yesterday = now.unix_micros().saturating_sub(i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX));
    let rows = transaction.query(SPENT, &[yesterday.into()]).await?;
    for row in &rows {
        if row.text("application_id")? == application.as_str() && row.text("act")? == takes.as_str() {
            return Ok(());
        }
    }
    let spent = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let fleet = transaction.query_optional(FLEET, &[]).await?.map_or(Ok(0), |row| row.unsigned("fleet"))?;
    let allowed = budget.of(fleet);
    if spent >= allowed {
        return Err(Error::BudgetExhausted { spent, allowed, fleet });
    }
    let args = [application.as_str().into(), takes.as_str().into(), now.into()];
    transaction.execute(SPEND, &args).await?;
    Ok(())
}

fn known(row: &Row) -> Result<Known, Error> {
    let stage = |column: &str, text: String| Stage::parse(&text).ok_or_else(|| corrupt(column));
    let intended = row.optional_text("intended")?;
    Ok(Known {
        username: row.text("username")?,
        client_id: row.optional_text("client_id")?,
        stage: stage("stage", row.text("stage")?)?,
        intended: intended.map(|text| stage("intended", text)).transpose()?,
        foreign: row.boolean("is_foreign")?,
        applied: Revision(row.unsigned("applied_revision")?),
        scopes: serde_json::from_str(&row.text("scopes")?).map_err(|_| corrupt("scopes"))?,
        settled: row.boolean("settled")?,
        changed_at: row.timestamp("changed_at")?,
    })
}

fn corrupt(column: &str) -> Error {
    mint_store::Error::Corrupt { detail: format!("column `{column}` is not what was written") }.into()
}
