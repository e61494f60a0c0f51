//! One write: everything in it happens, or nothing.

use std::marker::PhantomData;

use crate::{Error, Row, Value, Write, error::Classified};

/// A write in progress. `'a` bounds what the closure given to [`crate::Database::write`] borrows.
pub struct Transaction<'a> {
    write: Box<dyn Write>,
    failure: Option<Classified>,
    scope: PhantomData<&'a ()>,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl Transaction<'_> {
    pub(crate) fn new(write: Box<dyn Write>) -> Self {
        Self { write, failure: None, scope: PhantomData }
    }

    /// Runs a statement and answers all its rows.
    pub async fn query(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Error> {
        self.still_good()?;
        let answer = self.write.fetch(sql, args).await;
        self.noted(answer)
    }

    /// The first row, if there is one.
    pub async fn query_optional(&mut self, sql: &'static str, args: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, args).await?.into_iter().next())
    }

    /// Answers how many rows were changed.
    pub async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Error> {
        self.still_good()?;
        let answer = self.write.execute(sql, args).await;
        self.noted(answer)
    }

    /// Several statements without arguments: a migration.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), Error> {
        self.still_good()?;
        let answer = self.write.script(sql).await;
        self.noted(answer)
    }

    /// Makes replicas migrate one after the other.
    pub(crate) async fn lock_schema(&mut self) -> Result<(), Error> {
        let answer = self.write.lock_schema().await;
        self.noted(answer)
    }

    /// The first statement that failed: nothing after it can be committed.
    pub(crate) fn failure(&self) -> Option<&Classified> {
        self.failure.as_ref()
    }

    pub(crate) async fn commit(self) -> Result<(), Classified> {
        self.write.commit().await
    }

    pub(crate) async fn rollback(self) {
        self.write.rollback().await;
    }

    fn still_good(&self) -> Result<(), Error> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(failure.error.clone()))
    }

    fn noted<T>(&mut self, answer: Result<T, Classified>) -> Result<T, Error> {
        answer.map_err(|classified| {
            let error = classified.error.clone();
            self.failure = Some(classified);
            error
        })
    }
}
