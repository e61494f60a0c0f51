//! SQLite in memory, driven on the caller's thread: no file, no second thread, so that a simulation repeats exactly.

use std::{
    fmt::{self, Debug},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::future::BoxFuture;
use rusqlite::{CachedStatement, Connection, types::ValueRef};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{Error, Row, Value, engine::sqlite, error::Classified};

/// Mint's services have fewer statements than this.
const STATEMENTS: usize = 256;

/// What a simulation does to a write. A future that never ends is a process that died there: dropping it drops the
/// write with it, before the commit, or keeps it, after.
pub trait CommitProbe: Debug + Send + Sync {
    /// Before a write becomes durable; an error undoes it.
    fn before_commit(&self) -> BoxFuture<'_, Result<(), Error>>;
    /// After it is; an error is what the caller hears instead.
    fn after_commit(&self) -> BoxFuture<'_, Result<(), Error>>;
}

/// What a simulated service finds again after it died. Clones are the same disk.
#[derive(Clone)]
pub struct SimulatedDisk {
    connection: Arc<Mutex<Connection>>,
}

impl Debug for SimulatedDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SimulatedDisk").finish_non_exhaustive()
    }
}

impl SimulatedDisk {
    /// An empty one.
    pub fn new() -> Result<Self, Error> {
        let connection = Connection::open_in_memory().map_err(|error| classify(&error).error)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.execute_batch("PRAGMA foreign_keys = ON").map_err(|error| classify(&error).error)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }
}

/// One process's hold on a disk.
pub(crate) struct Pools {
    disk: SimulatedDisk,
    probe: Option<Arc<dyn CommitProbe>>,
    closed: AtomicBool,
}

impl Pools {
    pub(crate) fn new(disk: &SimulatedDisk, probe: Option<Arc<dyn CommitProbe>>) -> Self {
        Self { disk: disk.clone(), probe, closed: AtomicBool::new(false) }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    async fn connection(&self) -> Result<OwnedMutexGuard<Connection>, Error> {
        let connection = Arc::clone(&self.disk.connection).lock_owned().await;
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::unavailable("the store is closed"));
        }
        Ok(connection)
    }

    /// Reads; a statement that would write is refused, as by the other engines' read pools.
    pub(crate) async fn fetch(&self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified> {
        let connection = self.connection().await?;
        fetch(&connection, sql, args, true)
    }

    pub(crate) async fn begin(&self) -> Result<Write, Classified> {
        let connection = self.connection().await?;
        connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| classify(&error))?;
        Ok(Write { connection, probe: self.probe.clone() })
    }
}

/// A write in progress; dropped without a commit it leaves nothing.
pub(crate) struct Write {
    connection: OwnedMutexGuard<Connection>,
    probe: Option<Arc<dyn CommitProbe>>,
}

impl Write {
    pub(crate) fn fetch(&self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified> {
        fetch(&self.connection, sql, args, false)
    }

    pub(crate) fn execute(&self, sql: &'static str, args: &[Value]) -> Result<u64, Classified> {
        let mut statement = bound(&self.connection, sql, args)?;
        if statement.column_count() == 0 {
            let changed = statement.raw_execute().map_err(|error| classify(&error))?;
            return Ok(u64::try_from(changed).unwrap_or(u64::MAX));
        }
        let mut rows = statement.raw_query();
        while rows.next().map_err(|error| classify(&error))?.is_some() {}
        Ok(self.connection.changes())
    }

    pub(crate) fn script(&self, sql: &'static str) -> Result<(), Classified> {
        self.connection.execute_batch(sql).map_err(|error| classify(&error))
    }

    pub(crate) async fn commit(self) -> Result<(), Classified> {
        if let Some(probe) = &self.probe {
            probe.before_commit().await?;
        }
        self.connection.execute_batch("COMMIT").map_err(|error| classify(&error))?;
        // others may go on while this process does not
        let probe = self.probe.clone();
        drop(self);
        match probe {
            Some(probe) => Ok(probe.after_commit().await?),
            None => Ok(()),
        }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if !self.connection.is_autocommit() {
            // an open transaction of this connection can always be undone
            let _undone = self.connection.execute_batch("ROLLBACK");
        }
    }
}

fn fetch(
    connection: &Connection,
    sql: &'static str,
    args: &[Value],
    read_only: bool,
) -> Result<Vec<Row>, Classified> {
    let mut statement = bound(connection, sql, args)?;
    if read_only && !statement.readonly() {
        return Err(Error::Refused { detail: "a read may not write".to_owned() }.into());
    }
    let columns: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut found = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(|error| classify(&error))? {
        let values: Result<Vec<Value>, Classified> = (0..columns.len())
            .map(|index| value(row.get_ref(index).map_err(|error| classify(&error))?, &columns[index]))
            .collect();
        found.push(Row::new(Arc::clone(&columns), values?));
    }
    Ok(found)
}

fn bound<'c>(
    connection: &'c Connection,
    sql: &'static str,
    args: &[Value],
) -> Result<CachedStatement<'c>, Classified> {
    let mut statement = connection.prepare_cached(sql).map_err(|error| classify(&error))?;
    for index in 1..=statement.parameter_count() {
        // `$7` is a name to SQLite: it means the seventh argument, wherever it stands
        let number = statement.parameter_name(index).and_then(|name| name[1..].parse().ok()).unwrap_or(index);
        let Some(argument) = args.get(number.wrapping_sub(1)) else {
            return Err(Error::Refused { detail: format!("argument {number} is missing") }.into());
        };
        let bind = match argument {
            Value::Null => statement.raw_bind_parameter(index, rusqlite::types::Null),
            Value::Integer(number) => statement.raw_bind_parameter(index, number),
            Value::Text(text) => statement.raw_bind_parameter(index, text),
            Value::Bytes(bytes) => statement.raw_bind_parameter(index, bytes),
        };
        bind.map_err(|error| classify(&error))?;
    }
    Ok(statement)
}

fn value(raw: ValueRef<'_>, column: &str) -> Result<Value, Classified> {
    Ok(match raw {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(text) => Value::Text(
            String::from_utf8(text.to_vec())
                .map_err(|_| Error::Corrupt { detail: format!("column `{column}` is not UTF-8") })?,
        ),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => {
            return Err(Error::Corrupt { detail: format!("column `{column}` has the type REAL") }.into());
        }
    })
}

fn classify(error: &rusqlite::Error) -> Classified {
    let (failure, message) = match error {
        rusqlite::Error::SqliteFailure(failure, message) => (failure, message.as_deref().unwrap_or_default()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error, msg.as_str()),
        _ => return Error::Refused { detail: "the driver refused".to_owned() }.into(),
    };
    sqlite::meaning(failure.extended_code, message).into()
}
