//! The database as tests see it: a durable write can go wrong, or be the last thing that a process does.

use futures::future::BoxFuture;
use mint_store::{Error, Row, Transaction, Value};

use crate::adapters::fake::World;

/// The database, in a world whose faults it shares; in none it is the database as it is.
#[derive(Debug, Clone)]
pub struct Database {
    real: mint_store::Database,
    world: Option<World>,
}

impl From<mint_store::Database> for Database {
    fn from(real: mint_store::Database) -> Self {
        Self { real, world: None }
    }
}

impl Database {
    /// Its writes go wrong where the world says so.
    pub(crate) fn within(real: mint_store::Database, world: &World) -> Self {
        Self { real, world: Some(world.clone()) }
    }

    pub(in crate::ledger) async fn query(
        &self,
        sql: &'static str,
        args: &[Value],
    ) -> Result<Vec<Row>, Error> {
        self.real.query(sql, args).await
    }

    pub(in crate::ledger) async fn query_optional(
        &self,
        sql: &'static str,
        args: &[Value],
    ) -> Result<Option<Row>, Error> {
        self.real.query_optional(sql, args).await
    }

    pub(in crate::ledger) async fn write<'a, T, E, F>(&self, body: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Transaction<'a>) -> BoxFuture<'t, Result<T, E>> + Send,
        E: From<Error>,
    {
        let Some(world) = &self.world else { return self.real.write(body).await };
        let course = world.before_a_write().await?;
        let written = self.real.write(body).await;
        world.after_a_write(course).await?;
        written
    }

    pub(in crate::ledger) async fn execute(&self, sql: &'static str, args: &[Value]) -> Result<u64, Error> {
        self.write(|transaction| Box::pin(async move { transaction.execute(sql, args).await })).await
    }
}
