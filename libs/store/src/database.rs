//! Opening a database, reading it, writing it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;

use crate::{
    Engine, Error, Migration, Row, Transaction, Value,
    engine::{postgres, sqlite},
    error::Classified,
    migration,
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
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Database").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens `sqlite:///absolute/path` or `postgres://role@host/database` and brings its schema up to date, or,
    /// without `migrate`, insists that it is.
    pub async fn open(
        url: &str,
        schema: &'static str,
        migrations: &'static [Migration],
        migrate: bool,
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
        migrate: bool,
    ) -> Result<Self, Error> {
        let database = Self { engine };
        if migrate {
            database.migrate(schema, migrations).await?;
        } else {
            database.insist(migrations).await?;
        }
        Ok(database)
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
    pub async fn write<'a, T, E, F>(&self, mut body: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Transaction<'a>) -> BoxFuture<'t, Result<T, E>> + Send,
        E: From<Error>,
    {
        let mut attempt = 1;
        loop {
            let lost = match self.attempt(&mut body).await {
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

    async fn attempt<'a, T, E, F>(&self, body: &mut F) -> Attempt<T, E>
    where
        F: for<'t> FnMut(&'t mut Transaction<'a>) -> BoxFuture<'t, Result<T, E>>,
        E: From<Error>,
    {
        let mut transaction = match self.engine.begin().await {
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
