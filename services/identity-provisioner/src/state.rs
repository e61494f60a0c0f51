//! What identity-provisioner knows by itself: identities, fencing tokens, what it has taken away and what was released.

mod books;
mod redirects;
mod strays;

use std::collections::BTreeSet;

use mint_store::{Database, Migration, Row, Transaction, Value};
use mint_types::{Admitted, ApplicationId, Budget, Fence, FencingToken, Revision, Scope, Timestamp};

use books::Bounds;
pub use books::{Accounts, Waiting};
pub use strays::CALL_LIFE;

use crate::{
    Error,
    budget::{self, Release},
    compare::Identities,
    elapsed::{Moment, counted},
    model::{Known, Order, Stage},
    plan::Taking,
    redirect::Pin,
};

/// The schema's name on PostgreSQL.
pub const SCHEMA: &str = "identity_provisioner";

/// The schema.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "identities", sql: include_str!("sql/migrations_0001.sql") },
    Migration { version: 2, name: "removals", sql: include_str!("sql/migrations_0002.sql") },
    Migration { version: 3, name: "redirects", sql: include_str!("sql/migrations_0003.sql") },
    Migration { version: 4, name: "fleet", sql: include_str!("sql/migrations_0004.sql") },
    Migration { version: 5, name: "losses", sql: include_str!("sql/migrations_0005.sql") },
    Migration { version: 6, name: "owners", sql: include_str!("sql/migrations_0006.sql") },
    Migration { version: 7, name: "removals-in-flight", sql: include_str!("sql/migrations_0007.sql") },
];

const ONE: &str = "SELECT * FROM identities WHERE application_id = $1";
const ALL: &str = "SELECT * FROM identities";
const INTEND: &str = include_str!("sql/identities_intend.sql");
const APPLY: &str = include_str!("sql/identities_apply.sql");
const VANISH: &str =
    "UPDATE identities SET vanished_at = $2 WHERE application_id = $1 AND vanished_at IS NULL";
const FENCE: &str = "INSERT INTO fences (application_id, token) VALUES ($1, $2) \
     ON CONFLICT (application_id) DO UPDATE SET token = excluded.token";

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
    /// Which redirect URL and which type the client may have.
    pub pin: Option<Pin>,
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

/// A release as its statement says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The statement's id.
    pub id: String,
    /// How many acts.
    pub acts: u32,
    /// Only of these; empty for any.
    pub applications: BTreeSet<ApplicationId>,
    /// From when it no longer holds.
    pub expires_at: Timestamp,
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

    /// When writes may have been lost, last, by the database's clock: what was spent, accepted and believed before then may
    /// be forgotten.
    pub fn lost_writes_at(&self) -> Option<Timestamp> {
        self.database.lost_writes_at()
    }

    fn bounds(&self) -> Bounds {
        Bounds { budget: self.budget, lost_at: self.lost_writes_at() }
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

    /// Which redirect URL and which type an application's client may have.
    #[read]
    pub async fn redirect(&self, application: &ApplicationId) -> Result<Option<Pin>, Error> {
        let row = self.database.query_optional(redirects::ONE, &[application.as_str().into()]).await?;
        row.as_ref().map(redirects::pin).transpose()
    }

    /// Every identity.
    #[read]
    pub async fn identities(&self) -> Result<Identities, Error> {
        let rows = self.database.query(ALL, &[]).await?;
        let one = |row: &Row| -> Result<(ApplicationId, Known), Error> {
            let id = row.text("application_id")?.parse().map_err(|_| corrupt("application_id"))?;
            Ok((id, known(row)?))
        };
        rows.iter().map(one).collect()
    }

    /// The time that budgets and tombstone periods are counted by.
    #[read]
    pub async fn counted(&self, moment: &Moment) -> Result<Timestamp, Error> {
        let boot = [Value::from(&moment.monotonic.boot)];
        let row = self.database.query_optional(books::ANCHOR, &boot).await?;
        let latest = self.database.query_optional(books::LATEST, &[]).await?;
        let anchor = row.as_ref().map(books::anchor).transpose()?;
        Ok(counted(anchor, books::latest_of(latest.as_ref())?, moment))
    }

    /// Makes durable what is about to be asked, if the token still is the highest and somebody pays for it.
    pub async fn intend(&self, order: &Order, intent: &Intent, moment: &Moment) -> Result<(), Error> {
        let bounds = self.bounds();
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    fenced(transaction, order).await?;
                    strays::take_over(transaction, &intent.username, moment).await?;
                    if let Some(takes) = intent.takes {
                        books::spend(transaction, order.application.as_str(), takes, bounds, moment).await?;
                    }
                    if let Some(pin) = &intent.pin {
                        redirects::put(transaction, &order.application, pin).await?;
                    }
                    let args = [
                        order.application.as_str().into(),
                        intent.username.as_str().into(),
                        intent.stage.as_str().into(),
                        intent.foreign.into(),
                        moment.wall.into(),
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
        moment: &Moment,
    ) -> Result<Known, Error> {
        let scopes = &serde_json::to_string(&applied.scopes).map_err(|_| corrupt("scopes"))?;
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    let now = books::time(transaction, moment).await?;
                    let args = [
                        application.as_str().into(),
                        applied.client_id.as_deref().into(),
                        applied.stage.as_str().into(),
                        Value::unsigned(applied.revision.0)?,
                        scopes.into(),
                        moment.wall.into(),
                        now.into(),
                    ];
                    transaction.execute(APPLY, &args).await?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        self.known(application).await?.ok_or_else(|| Error::UnknownIdentity(application.clone()))
    }

    /// The catalog has it, and the audit log its outcome.
    pub async fn settle(&self, application: &ApplicationId) -> Result<(), Error> {
        let settle = "UPDATE identities SET settled = 1 WHERE application_id = $1 AND intended IS NULL";
        self.database.execute(settle, &[application.as_str().into()]).await?;
        Ok(())
    }

    /// The issuer no longer has the user.
    pub async fn vanish(&self, application: &ApplicationId, now: Timestamp) -> Result<(), Error> {
        self.database.execute(VANISH, &[application.as_str().into(), now.into()]).await?;
        Ok(())
    }

    /// Counts the removal of objects, if the token still is the highest and somebody pays for it.
    pub async fn permit(&self, order: &Order, takes: Taking, moment: &Moment) -> Result<(), Error> {
        let bounds = self.bounds();
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    fenced(transaction, order).await?;
                    books::spend(transaction, order.application.as_str(), takes, bounds, moment).await
                })
            })
            .await
    }

    /// Remembers who waits for the budget.
    pub async fn wait(&self, subject: &str, takes: Taking, now: Timestamp) -> Result<(), Error> {
        let args = [subject.into(), takes.as_str().into(), now.into()];
        self.database.execute(books::WAIT, &args).await?;
        Ok(())
    }

    /// A release that was accepted.
    #[read]
    pub async fn release(&self, id: &str) -> Result<Option<Release>, Error> {
        let row = self.database.query_optional(books::RELEASE, &[id.into()]).await?;
        row.as_ref().map(books::release).transpose()
    }

    /// Puts a release into force, and lets the deleted identities that it names be made again. Once: a repetition
    /// changes nothing.
    pub async fn accept(&self, accepted: &Accepted, now: Timestamp) -> Result<(), Error> {
        let names = &serde_json::to_string(&accepted.applications).map_err(|_| corrupt("applications"))?;
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    let args = [
                        accepted.id.as_str().into(),
                        accepted.acts.into(),
                        names.into(),
                        now.into(),
                        accepted.expires_at.into(),
                    ];
                    if transaction.execute(books::ACCEPT, &args).await? == 0 {
                        return Ok::<_, Error>(());
                    }
                    for application in &accepted.applications {
                        transaction.execute(books::NAME, &[application.as_str().into()]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// How the books stand.
    #[read]
    pub async fn accounts(&self, moment: &Moment) -> Result<Accounts, Error> {
        let now = self.counted(moment).await?;
        let day = books::spent(&self.database.query(books::SPENT, &[books::a_day_before(now)]).await?)?;
        let fleet = self.database.query_optional(books::FLEET, &[books::a_day_before(now)]).await?;
        let fleet = fleet.map_or(Ok(0), |row| row.unsigned("fleet"))?;
        let rows =
            self.database.query(books::RELEASES, &books::in_force(self.lost_writes_at(), moment)).await?;
        let releases = rows.iter().map(books::release).collect::<Result<Vec<_>, _>>()?;
        let in_doubt = match self.lost_writes_at() {
            Some(lost_at) => {
                let loss = self.database.query_optional(books::LOSS, &[lost_at.into()]).await?;
                books::is_in_doubt(loss.as_ref(), now)?
            }
            None => false,
        };
        let budget = if in_doubt { books::NOTHING } else { self.budget };
        let waiting = self.database.query(books::WAITING, &[]).await?;
        Ok(Accounts {
            standing: budget::standing(&day, budget, fleet),
            released: releases.iter().map(Release::remaining).sum(),
            waiting: waiting.iter().map(books::waiting).collect::<Result<_, _>>()?,
        })
    }
}

#[mint_port::points(service = "identity-provisioner", name = "state", list = RESTORED_POINTS)]
impl State {
    /// Begins the day whose budget counts as spent, if writes may have been lost. Only before anything is served, and the
    /// same again at each start.
    pub async fn remember_lost_writes(&self, moment: &Moment) -> Result<(), Error> {
        let Some(lost_at) = self.lost_writes_at() else { return Ok(()) };
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    let now = books::time(transaction, moment).await?;
                    transaction.execute(books::LOSE, &[lost_at.into(), now.into()]).await?;
                    Ok(())
                })
            })
            .await
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

fn known(row: &Row) -> Result<Known, Error> {
    Ok(Known {
        username: row.text("username")?,
        client_id: row.optional_text("client_id")?,
        stage: stage("stage", &row.text("stage")?)?,
        intended: row.optional_text("intended")?.map(|text| stage("intended", &text)).transpose()?,
        foreign: row.boolean("is_foreign")?,
        applied: Revision(row.unsigned("applied_revision")?),
        scopes: serde_json::from_str(&row.text("scopes")?).map_err(|_| corrupt("scopes"))?,
        settled: row.boolean("settled")?,
        changed_at: row.timestamp("changed_at")?,
        disabled_at: row.optional_timestamp("disabled_at")?,
        vanished_at: row.optional_timestamp("vanished_at")?,
        released: row.boolean("released")?,
        incarnation: row.unsigned("incarnation")?,
    })
}

fn stage(column: &str, text: &str) -> Result<Stage, Error> {
    Stage::parse(text).ok_or_else(|| corrupt(column))
}

fn corrupt(column: &str) -> Error {
    mint_store::Error::Corrupt { detail: format!("column `{column}` is not what was written") }.into()
}
