//! Opening a database, reading it, writing it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use mint_types::Timestamp;

use crate::{
    Engine, Error, Migrate, Migration, Row, Transaction, Value,
    engine::{postgres, sqlite},
    error::Classified,
    migration,
    origin::{self, Accepted},
};

/// Repetitions of a write that lost against another; then the caller hears `Unavailable`.
const ATTEMPTS: u32 = 12;
/// First pause before a repetition; doubles, with jitter, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Replicas that may start at once and each lose the race to migrate.
const MIGRATORS: u32 = 5;

/// A service's state. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    engine: Arc<dyn Engine>,
    lost_writes_at: Option<Timestamp>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Database").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens `sqlite:///absolute/path` or `postgres://role@host/database` and brings its schema up to date, or,
    /// without `migrate`, insists that it is. [`Error::Quarantined`] if it is not where it was written.
    pub async fn open(
        url: &str,
        schema: &'static str,
        migrations: &'static [Migration],
        migrate: impl Into<Migrate>,
    ) -> Result<Self, Error> {
        let engine: Arc<dyn Engine> = match url.strip_prefix("sqlite://") {
            Some(path) => Arc::new(sqlite::open(path).await?),
            None if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Arc::new(postgres::open(url, schema).await?)
            }
            None => {
                return Err(Error::Url { detail: "it starts with neither sqlite:// nor postgres://".into() });
            }
        };
        Self::on(engine, schema, migrations, migrate).await
    }

    /// The same on an engine that is open already: a simulation brings its own.
    pub async fn on(
        engine: Arc<dyn Engine>,
        schema: &'static str,
        migrations: &'static [Migration],
        migrate: impl Into<Migrate>,
    ) -> Result<Self, Error> {
        let migrate = migrate.into();
        let mut database = Self { engine, lost_writes_at: None };
        if migrate == Migrate::No {
            database.insist(migrations).await?;
        } else {
            database.migrate(schema, migrations).await?;
        }
        database.lost_writes_at = database.settle(&migrate).await?;
        Ok(database)
    }

    /// When an administrator accepted that writes may have been lost, last; none if they never were. What was under way
    /// then cannot be gone on with: nobody knows how far it came.
    pub fn lost_writes_at(&self) -> Option<Timestamp> {
        self.lost_writes_at
    }

    /// `sqlite` or `postgres`, or the name of the engine that was brought.
    pub fn engine(&self) -> &'static str {
        self.engine.name()
    }

    /// Reads; sees what was committed before.
    pub async fn query(&self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Error> {
        self.engine.read(sql, args).await.map_err(|classified| classified.error)
    }

    /// The first row, if there is one.
    pub async fn query_optional(&self, sql: &'static str, args: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// Runs the closure in one serializable transaction; commits if it answers `Ok`. The closure is run again
    /// when another writer got in its way, so it must be repeatable and wait for nothing but its statements.
    pub async fn write<'a, T, E, F>(&self, body: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Transaction<'a>) -> BoxFuture<'t, Result<T, E>> + Send,
        E: From<Error>,
    {
        self.repeat(Isolation::Serializable, body).await
    }

    /// The same, for a write that **changes a row that decides**: whoever could come to another decision changes that row
    /// too, so that of two at once one is repeated. It sees one instant, loses no update, and is not disturbed by writes of
    /// other rows that happen to be near. What it reads and does not change may change meanwhile; where that matters, use
    /// [`Database::write`].
    pub async fn write_on_rows<'a, T, E, F>(&self, body: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Transaction<'a>) -> BoxFuture<'t, Result<T, E>> + Send,
        E: From<Error>,
    {
        self.repeat(Isolation::Rows, body).await
    }

    async fn repeat<'a, T, E, F>(&self, isolation: Isolation, mut body: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Transaction<'a>) -> BoxFuture<'t, Result<T, E>> + Send,
        E: From<Error>,
    {
        let mut attempt = 1;
        loop {
            let lost = match self.attempt(isolation, &mut body).await {
                Attempt::Done(outcome) => return outcome,
                Attempt::Lost(error) => error,
            };
            if attempt == ATTEMPTS {
                return Err(lost.into());
            }
            tokio::time::sleep(pause(attempt)).await;
            attempt += 1;
        }
    }

    /// One statement in a write of its own; answers how many rows were changed.
    pub async fn execute(&self, sql: &'static str, args: &[Value]) -> Result<u64, Error> {
        self.write(|transaction| Box::pin(async move { transaction.execute(sql, args).await })).await
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.query("SELECT 1 AS one", &[]).await.map(|_| ())
    }

    /// Ends every connection; what comes after is `Unavailable`.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    async fn attempt<'a, T, E, F>(&self, isolation: Isolation, body: &mut F) -> Attempt<T, E>
    where
        F: for<'t> FnMut(&'t mut Transaction<'a>) -> BoxFuture<'t, Result<T, E>>,
        E: From<Error>,
    {
        let begun = match isolation {
            Isolation::Serializable => self.engine.begin().await,
            Isolation::Rows => self.engine.begin_on_rows().await,
        };
        let mut transaction = match begun {
            Ok(write) => Transaction::new(write),
            Err(classified) => return Attempt::from(classified),
        };
        let outcome = body(&mut transaction).await;
        let failure = transaction.failure().cloned();
        match (outcome, failure) {
            (_, Some(failure)) if failure.repeat => {
                transaction.rollback().await;
                Attempt::Lost(failure.error)
            }
            (Err(error), _) => {
                transaction.rollback().await;
                Attempt::Done(Err(error))
            }
            (Ok(_), Some(failure)) => {
                transaction.rollback().await;
                Attempt::Done(Err(failure.error.into()))
            }
            (Ok(value), None) => match transaction.commit().await {
                Ok(()) => Attempt::Done(Ok(value)),
                Err(classified) => Attempt::from(classified),
            },
        }
    }

    async fn migrate(&self, schema: &'static str, migrations: &'static [Migration]) -> Result<(), Error> {
        self.engine.make_schema(schema).await?;
        let mut left = MIGRATORS;
        loop {
            left -= 1;
            match self.migrate_once(migrations).await {
                Err(Error::Conflict { .. }) if left > 0 => {}
                outcome => return outcome,
            }
        }
    }

    /// All missing migrations in one write. Of several replicas that start at once, one wins; the others meet its
    /// rows or its table as a conflict.
    async fn migrate_once(&self, migrations: &'static [Migration]) -> Result<(), Error> {
        self.write(|transaction| {
            Box::pin(async move {
                transaction.lock_schema().await?;
                transaction.execute(migration::CREATE, &[]).await?;
                transaction.execute(origin::CREATE, &[]).await?;
                let applied = transaction.query(migration::LIST, &[]).await?;
                for missing in migration::pending(migrations, &applied)? {
                    transaction.script(missing.sql).await?;
                    let record = [missing.version.into(), missing.name.into(), missing.checksum().into()];
                    transaction.execute(migration::RECORD, &record).await?;
                    tracing::info!(version = missing.version, name = missing.name, "migrating the state");
                }
                Ok::<_, Error>(())
            })
        })
        .await
    }

    /// Makes sure that the database is where it was written, and stays there.
    async fn settle(&self, migrate: &Migrate) -> Result<Option<Timestamp>, Error> {
        let found = self.engine.origin().await.map_err(|classified| classified.error)?;
        let Some(found) = found else {
            return Ok(None);
        };
        let latest = self.query_optional(origin::LATEST, &[]).await?;
        let known = latest.as_ref().map(Accepted::from_row).transpose()?;
        let accepted = origin::settle(known.as_ref(), &found, migrate)?;
        if let Some(accepted) = &accepted {
            self.accept(accepted).await?;
        }
        self.engine.stay_on(&found.name);
        Ok(accepted.or(known).and_then(|accepted| accepted.lost_writes_at()))
    }

    async fn accept(&self, accepted: &Accepted) -> Result<(), Error> {
        let row =
            [accepted.sequence.into(), accepted.origin.as_str().into(), accepted.at.unix_micros().into()];
        match self.execute(origin::ACCEPT, &row).await {
            // another replica that starts at the same time was quicker, with the same words
            Ok(_) | Err(Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn insist(&self, migrations: &'static [Migration]) -> Result<(), Error> {
        let applied = match self.query(migration::LIST, &[]).await {
            Ok(applied) => applied,
            Err(Error::Refused { detail }) if migration::has_no_table(&detail) => Vec::new(),
            Err(other) => return Err(other),
        };
        match migration::pending(migrations, &applied)?.first() {
            Some(missing) => Err(Error::Outdated { missing: missing.version }),
            None => Ok(()),
        }
    }
}

/// Against what a write is isolated.
#[derive(Debug, Clone, Copy)]
enum Isolation {
    Serializable,
    Rows,
}

enum Attempt<T, E> {
    Done(Result<T, E>),
    /// Another writer was faster; nothing was changed.
    Lost(Error),
}

impl<T, E: From<Error>> From<Classified> for Attempt<T, E> {
    fn from(classified: Classified) -> Self {
        if classified.repeat {
            Self::Lost(classified.error)
        } else {
            Self::Done(Err(classified.error.into()))
        }
    }
}

/// Doubles each time. The jitter only has to differ between concurrent writers, so a counter is enough.
fn pause(attempt: u32) -> Duration {
    static PAUSES: AtomicU64 = AtomicU64::new(0);
    let spread = PAUSES.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
    longest.mul_f64(0.5 + spread_fraction(spread) / 2.0)
}

#[expect(clippy::cast_precision_loss, reason = "eight bits fit")]
fn spread_fraction(eight_bits: u64) -> f64 {
    eight_bits as f64 / 256.0
}
