//! One write: everything in it happens, or nothing.

use std::marker::PhantomData;

use sqlx::{Postgres, Sqlite};

#[cfg(feature = "simulated")]
use crate::engine::simulated;
use crate::{
    Error, Row, Value,
    engine::{postgres, sqlite},
    error::Classified,
};

/// A write in progress. `'a` bounds what the closure given to [`crate::Database::write`] borrows.
pub struct Transaction<'a> {
    inner: Inner,
    failure: Option<Failure>,
    scope: PhantomData<&'a ()>,
}

enum Inner {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
    #[cfg(feature = "simulated")]
    Simulated(simulated::Write),
}

/// The first statement that failed: nothing after it can be committed.
#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) repeat: bool,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl Transaction<'_> {
    pub(crate) fn sqlite(inner: sqlx::Transaction<'static, Sqlite>) -> Self {
        Self { inner: Inner::Sqlite(inner), failure: None, scope: PhantomData }
    }

    pub(crate) fn postgres(inner: sqlx::Transaction<'static, Postgres>) -> Self {
        Self { inner: Inner::Postgres(inner), failure: None, scope: PhantomData }
    }

    #[cfg(feature = "simulated")]
    pub(crate) fn simulated(inner: simulated::Write) -> Self {
        Self { inner: Inner::Simulated(inner), failure: None, scope: PhantomData }
    }

    /// Runs a statement and answers all its rows.
    pub async fn query(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Error> {
        self.still_good()?;
        let answer = match &mut self.inner {
            Inner::Sqlite(inner) => sqlite::fetch(&mut **inner, sql, args).await,
            Inner::Postgres(inner) => postgres::fetch(&mut **inner, sql, args).await,
            #[cfg(feature = "simulated")]
            Inner::Simulated(inner) => inner.fetch(sql, args),
        };
        self.noted(answer)
    }

    /// The first row, if there is one.
    pub async fn query_optional(&mut self, sql: &'static str, args: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// Answers how many rows were changed.
    pub async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Error> {
        self.still_good()?;
        let answer = match &mut self.inner {
            Inner::Sqlite(inner) => sqlite::execute(&mut **inner, sql, args).await,
            Inner::Postgres(inner) => postgres::execute(&mut **inner, sql, args).await,
            #[cfg(feature = "simulated")]
            Inner::Simulated(inner) => inner.execute(sql, args),
        };
        self.noted(answer)
    }

    /// Several statements without arguments: a migration.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), Error> {
        self.still_good()?;
        let answer = match &mut self.inner {
            Inner::Sqlite(inner) => {
                let done = sqlx::raw_sql(sql).execute(&mut **inner).await;
                done.map(|_| ()).map_err(|error| sqlite::classify(&error))
            }
            Inner::Postgres(inner) => {
                postgres::answered(sqlx::raw_sql(sql).execute(&mut **inner)).await.map(|_| ())
            }
            #[cfg(feature = "simulated")]
            Inner::Simulated(inner) => inner.script(sql),
        };
        self.noted(answer)
    }

    /// Makes replicas migrate one after the other; SQLite's write lock does so already.
    pub(crate) async fn lock_schema(&mut self) -> Result<(), Error> {
        match self.inner {
            Inner::Sqlite(_) => Ok(()),
            #[cfg(feature = "simulated")]
            Inner::Simulated(_) => Ok(()),
            Inner::Postgres(_) => {
                self.script("SELECT pg_advisory_xact_lock(hashtext(current_schema()))").await
            }
        }
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    pub(crate) async fn commit(self) -> Result<(), Classified> {
        match self.inner {
            Inner::Sqlite(inner) => inner.commit().await.map_err(|error| sqlite::classify(&error)),
            Inner::Postgres(inner) => postgres::committed(inner.commit()).await,
            #[cfg(feature = "simulated")]
            Inner::Simulated(inner) => inner.commit().await,
        }
    }

    pub(crate) async fn rollback(self) {
        // A connection that cannot roll back is thrown away by the pool, and the server rolls back for it.
        let _gone = match self.inner {
            Inner::Sqlite(inner) => inner.rollback().await.map_err(|error| sqlite::classify(&error)),
            Inner::Postgres(inner) => postgres::answered(inner.rollback()).await,
            #[cfg(feature = "simulated")]
            Inner::Simulated(inner) => {
                drop(inner);
                Ok(())
            }
        };
    }

    fn still_good(&self) -> Result<(), Error> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(failure.error.clone()))
    }

    fn noted<T>(&mut self, answer: Result<T, Classified>) -> Result<T, Error> {
        answer.map_err(|Classified { error, repeat }| {
            self.failure = Some(Failure { error: error.clone(), repeat });
            error
        })
    }
}
