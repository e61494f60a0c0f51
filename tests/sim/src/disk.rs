//! A disk that a simulated service finds again after it died: SQLite in memory, driven on the caller's thread, so that a
//! simulation repeats exactly.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::future::BoxFuture;
use mint_store::{Classified, Database, Engine, Error, Migrate, Migration, Row, Value, Write};
use rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
use rusqlite::{CachedStatement, Connection, types::ValueRef};
use tokio::sync::{Mutex, OwnedMutexGuard};

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
pub struct Disk {
    spindle: Arc<Mutex<Spindle>>,
    migrated: Arc<AtomicBool>,
}

/// One connection, and what is known of its statements.
struct Spindle {
    connection: Connection,
    known: HashMap<Words, Known, BuildHasherDefault<Place>>,
}

/// A statement's words, by where they are: they are never freed, and reading them all to find what is known of them
/// takes as long as many a statement.
type Words = (usize, usize);

/// What a statement answers, and what it asks for.
struct Known {
    columns: Arc<[String]>,
    /// Which argument each parameter is, from 1 on.
    arguments: Arc<[usize]>,
    is_read: bool,
}

/// Where words are is as good as a hash of it.
#[derive(Default)]
struct Place(u64);

impl Hasher for Place {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.0 = self.0.rotate_left(32) ^ u64::try_from(number).unwrap_or(0);
    }
}

impl Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Disk").finish_non_exhaustive()
    }
}

impl Disk {
    /// An empty one.
    pub fn new() -> Result<Self, Error> {
        let connection = Connection::open_in_memory().map_err(|error| classify(&error).error)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // a plan is made once for a statement, and not again for every other limit
        connection
            .set_db_config(SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(|error| classify(&error).error)?;
        connection.execute_batch("PRAGMA foreign_keys = ON").map_err(|error| classify(&error).error)?;
        let spindle = Arc::new(Mutex::new(Spindle { connection, known: HashMap::default() }));
        Ok(Self { spindle, migrated: Arc::default() })
    }

    /// What a process keeps on it. What was committed stays when the database is dropped, as if its process had died;
    /// `probe` is asked at every commit.
    pub async fn open(
        &self,
        schema: &'static str,
        migrations: &'static [Migration],
        migrate: impl Into<Migrate>,
        probe: Option<Arc<dyn CommitProbe>>,
    ) -> Result<Database, Error> {
        let hold = Hold { disk: self.clone(), probe, closed: AtomicBool::new(false) };
        let database = Database::on(Arc::new(hold), schema, migrations, migrate).await?;
        self.migrated.store(true, Ordering::Relaxed);
        Ok(database)
    }

    /// Whether nothing was ever opened on it.
    pub(crate) fn is_fresh(&self) -> bool {
        !self.migrated.load(Ordering::Relaxed)
    }
}

/// One process's hold on a disk.
struct Hold {
    disk: Disk,
    probe: Option<Arc<dyn CommitProbe>>,
    closed: AtomicBool,
}

impl Hold {
    async fn spindle(&self) -> Result<OwnedMutexGuard<Spindle>, Error> {
        let spindle = Arc::clone(&self.disk.spindle).lock_owned().await;
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Unavailable { detail: "the store is closed".to_owned() });
        }
        Ok(spindle)
    }
}

#[async_trait]
impl Engine for Hold {
    fn name(&self) -> &'static str {
        "simulated"
    }

    async fn read(&self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified> {
        self.spindle().await?.fetch(sql, args, true)
    }

    async fn begin(&self) -> Result<Box<dyn Write>, Classified> {
        let spindle = self.spindle().await?;
        perform(&spindle.connection, "BEGIN IMMEDIATE")?;
        Ok(Box::new(Begun { spindle, probe: self.probe.clone() }))
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// A write in progress; dropped without a commit it leaves nothing.
struct Begun {
    spindle: OwnedMutexGuard<Spindle>,
    probe: Option<Arc<dyn CommitProbe>>,
}

#[async_trait]
impl Write for Begun {
    async fn fetch(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified> {
        self.spindle.fetch(sql, args, false)
    }

    async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Classified> {
        let Spindle { connection, known } = &mut *self.spindle;
        let (mut statement, known) = bound(connection, known, sql, args)?;
        if known.columns.is_empty() {
            let changed = statement.raw_execute().map_err(|error| classify(&error))?;
            return Ok(u64::try_from(changed).unwrap_or(u64::MAX));
        }
        let mut rows = statement.raw_query();
        while rows.next().map_err(|error| classify(&error))?.is_some() {}
        Ok(connection.changes())
    }

    async fn script(&mut self, sql: &'static str) -> Result<(), Classified> {
        // a changed table answers other columns to the same words
        self.spindle.known.clear();
        self.spindle.connection.execute_batch(sql).map_err(|error| classify(&error))
    }

    async fn commit(self: Box<Self>) -> Result<(), Classified> {
        if let Some(probe) = &self.probe {
            probe.before_commit().await?;
        }
        perform(&self.spindle.connection, "COMMIT")?;
        // others may go on while this process does not
        let probe = self.probe.clone();
        drop(self);
        match probe {
            Some(probe) => Ok(probe.after_commit().await?),
            None => Ok(()),
        }
    }

    async fn rollback(self: Box<Self>) {}
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.spindle.connection.is_autocommit() {
            // an open transaction of this connection can always be undone
            let _undone = perform(&self.spindle.connection, "ROLLBACK");
        }
    }
}

/// A statement without arguments and rows, parsed once.
fn perform(connection: &Connection, sql: &'static str) -> Result<(), Classified> {
    let mut statement = connection.prepare_cached(sql).map_err(|error| classify(&error))?;
    statement.raw_execute().map(drop).map_err(|error| classify(&error))
}

impl Spindle {
    fn fetch(&mut self, sql: &'static str, args: &[Value], read_only: bool) -> Result<Vec<Row>, Classified> {
        let (mut statement, Known { columns, is_read, .. }) =
            bound(&self.connection, &mut self.known, sql, args)?;
        if read_only && !is_read {
            return Err(Error::Refused { detail: "a read may not write".to_owned() }.into());
        }
        let mut found = Vec::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(|error| classify(&error))? {
            let mut values = Vec::with_capacity(columns.len());
            for (index, column) in columns.iter().enumerate() {
                values.push(value(row.get_ref(index).map_err(|error| classify(&error))?, column)?);
            }
            found.push(Row::new(Arc::clone(columns), values));
        }
        Ok(found)
    }
}

fn bound<'c, 'k>(
    connection: &'c Connection,
    known: &'k mut HashMap<Words, Known, BuildHasherDefault<Place>>,
    sql: &'static str,
    args: &[Value],
) -> Result<(CachedStatement<'c>, &'k Known), Classified> {
    let mut statement = connection.prepare_cached(sql).map_err(|error| classify(&error))?;
    let known = known.entry((sql.as_ptr().addr(), sql.len())).or_insert_with(|| Known::of(&statement));
    for (index, number) in (1..).zip(known.arguments.iter()) {
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
    Ok((statement, known))
}

impl Known {
    fn of(statement: &CachedStatement<'_>) -> Self {
        // `$7` is a name to SQLite: it means the seventh argument, wherever it stands
        let meant = |index: usize| {
            statement.parameter_name(index).and_then(|name| name[1..].parse().ok()).unwrap_or(index)
        };
        Self {
            columns: statement.column_names().into_iter().map(str::to_owned).collect(),
            arguments: (1..=statement.parameter_count()).map(meant).collect(),
            is_read: statement.readonly(),
        }
    }
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
    meaning(failure.extended_code, message).into()
}

/// As the shipped engine reads them; a disk in memory knows no others.
fn meaning(code: i32, message: &str) -> Error {
    match (code & 0xff, code) {
        (13, _) => Error::Unavailable { detail: "the disk is full".to_owned() },
        (_, 1555 | 2067) => {
            Error::Conflict { constraint: message.rsplit(": ").next().unwrap_or("unique").to_owned() }
        }
        _ => Error::Refused { detail: format!("SQLite code {code}") },
    }
}
