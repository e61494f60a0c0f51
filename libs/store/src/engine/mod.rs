//! The seam between a store and the database under it, and the two databases that Mint ships.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::time::Duration;

use async_trait::async_trait;

use crate::{Error, Row, Value, error::Classified, origin::Origin};

/// Waiting longer for a connection than this means that the store is stuck, not busy.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A statement of Mint's is a handful of rows; beyond this something holds a lock.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// The server's own limits answer first; this one ends the wait for a server that has vanished.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// A database under a [`crate::Database`].
///
/// Statements are written for SQLite and PostgreSQL alike, with arguments `$1`, `$2`, …; whoever brings a third engine
/// (a simulation does) understands the same ones and passes the same contract.
#[async_trait]
pub trait Engine: Send + Sync {
    /// What [`crate::Database::engine`] answers.
    fn name(&self) -> &'static str;

    /// Makes the place that migrations need, where it is not there by itself.
    async fn make_schema(&self, _schema: &'static str) -> Result<(), Error> {
        Ok(())
    }

    /// Where the database is now; none if the engine cannot tell one history from another.
    async fn origin(&self) -> Result<Option<Origin>, Classified> {
        Ok(None)
    }

    /// From now on [`Error::Quarantined`] answers everything on a connection to another origin.
    fn stay_on(&self, _origin: &str) {}

    /// Answers all rows of a statement, which sees what was committed before and cannot write.
    async fn read(&self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified>;

    /// Begins a write that is serializable against all others.
    async fn begin(&self) -> Result<Box<dyn Write>, Classified>;

    /// Begins a write that sees one instant and fails if a row that it changes was changed since. A database with one writer
    /// at a time has no cheaper way.
    async fn begin_on_rows(&self) -> Result<Box<dyn Write>, Classified> {
        self.begin().await
    }

    /// Ends every connection; what comes after is [`Error::Unavailable`].
    async fn close(&self);
}

/// A write in progress. Dropped without a commit it leaves nothing.
#[async_trait]
pub trait Write: Send {
    /// Makes replicas migrate one after the other, where beginning a write does not do so already.
    async fn lock_schema(&mut self) -> Result<(), Classified> {
        Ok(())
    }

    /// Runs a statement and answers all its rows.
    async fn fetch(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified>;

    /// Runs a statement and answers how many rows it changed.
    async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Classified>;

    /// Runs several statements without arguments.
    async fn script(&mut self, sql: &'static str) -> Result<(), Classified>;

    /// Makes everything in it durable before it answers; [`Error::OutcomeUnknown`] if nobody knows whether it is.
    async fn commit(self: Box<Self>) -> Result<(), Classified>;

    /// Undoes everything in it.
    async fn rollback(self: Box<Self>);
}
