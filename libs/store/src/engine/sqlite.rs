//! SQLite: one file, one writer, some readers.

use std::{
    fs::{self, OpenOptions, Permissions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    Column, ConnectOptions, Connection as _, Executor, Row as _, Sqlite, SqlitePool, TypeInfo, ValueRef,
    query::Query,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
        SqliteSynchronous,
    },
};

use crate::{
    Error, Row, Value,
    engine::{ACQUIRE_TIMEOUT, Engine, STATEMENT_TIMEOUT, Write},
    error::{Classified, classify_transport},
};

/// Readers do not wait for the writer in WAL mode; a few cover the concurrency of one process.
const READERS: u32 = 4;

const BEGIN: &str = "BEGIN IMMEDIATE";

pub(crate) struct Pools {
    writer: SqlitePool,
    reader: SqlitePool,
}

#[async_trait]
impl Engine for Pools {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn read(&self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified> {
        fetch(&self.reader, sql, args).await
    }

    async fn begin(&self) -> Result<Box<dyn Write>, Classified> {
        let begun = self.writer.begin_with(BEGIN).await.map_err(|error| classify(&error))?;
        Ok(Box::new(begun))
    }

    async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Write for sqlx::Transaction<'static, Sqlite> {
    async fn fetch(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified> {
        fetch(&mut **self, sql, args).await
    }

    async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Classified> {
        let done = bound(sql, args).execute(&mut **self).await.map_err(|error| classify(&error))?;
        Ok(done.rows_affected())
    }

    async fn script(&mut self, sql: &'static str) -> Result<(), Classified> {
        let done = sqlx::raw_sql(sql).execute(&mut **self).await;
        done.map(|_| ()).map_err(|error| classify(&error))
    }

    async fn commit(self: Box<Self>) -> Result<(), Classified> {
        Self::commit(*self).await.map_err(|error| classify(&error))
    }

    async fn rollback(self: Box<Self>) {
        // A connection that cannot roll back is thrown away by the pool.
        let _gone = Self::rollback(*self).await;
    }
}

pub(crate) async fn open(path: &str) -> Result<Pools, Error> {
    let path = PathBuf::from(path);
    if !path.is_absolute() {
        return Err(Error::Url { detail: "sqlite:// must be followed by an absolute path".into() });
    }
    create_private(&path).map_err(|error| {
        Error::unavailable(format!("the database file cannot be opened: {}", error.kind()))
    })?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(STATEMENT_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging();
    let writer = pool(1, options.clone()).await?;
    let reader = pool(READERS, options.read_only(true).pragma("query_only", "ON")).await?;
    Ok(Pools { writer, reader })
}

/// Turning a fresh file to WAL takes it exclusively, and SQLite does not wait for that as it waits for a write: of
/// several processes that start at once the later ones ask again, for two seconds at most.
const OPEN_ATTEMPTS: u32 = 40;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

async fn pool(connections: u32, options: SqliteConnectOptions) -> Result<SqlitePool, Error> {
    let mut attempts = 1;
    loop {
        match connect(connections, options.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(error) if is_busy(&error) && attempts < OPEN_ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(OPEN_PAUSE).await;
            }
            Err(error) => return Err(classify(&error).error),
        }
    }
}

/// `SQLITE_BUSY` (5) with any extension.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

async fn connect(connections: u32, options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // On a full disk or an IO error SQLite may end the transaction by itself; the driver then counts one that is not
        // there and refuses every later one. Such a connection is not used again: the next one starts clean.
        .after_release(|connection, _| {
            let is_clean = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_clean) })
        })
        .connect_with(options)
        .await
}

/// The journal and the shared-memory file take their mode from the database file.
fn create_private(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

async fn fetch<'c, E>(executor: E, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified>
where
    E: Executor<'c, Database = Sqlite>,
{
    let rows = bound(sql, args).fetch_all(executor).await.map_err(|error| classify(&error))?;
    decode(&rows).map_err(Classified::from)
}

fn bound(sql: &'static str, args: &[Value]) -> Query<'static, Sqlite, SqliteArguments> {
    args.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Integer(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.clone()),
        Value::Bytes(bytes) => query.bind(bytes.clone()),
    })
}

fn decode(rows: &[SqliteRow]) -> Result<Vec<Row>, Error> {
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let columns: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    rows.iter()
        .map(|row| {
            let values = (0..columns.len())
                .map(|index| value(row, index, &columns[index]))
                .collect::<Result<_, _>>()?;
            Ok(Row::new(Arc::clone(&columns), values))
        })
        .collect()
}

fn value(row: &SqliteRow, index: usize, column: &str) -> Result<Value, Error> {
    let raw = row.try_get_raw(index).map_err(|error| classify(&error).error)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let decoded = match raw.type_info().name() {
        "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(index).map(Value::Integer),
        "TEXT" => row.try_get_unchecked::<String, _>(index).map(Value::Text),
        "BLOB" => row.try_get_unchecked::<Vec<u8>, _>(index).map(Value::Bytes),
        other => {
            return Err(Error::Corrupt { detail: format!("column `{column}` has the type {other}") });
        }
    };
    decoded.map_err(|error| classify(&error).error)
}

fn classify(error: &sqlx::Error) -> Classified {
    let sqlx::Error::Database(answer) = error else {
        return classify_transport(error).into();
    };
    let code = answer.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
    meaning(code, answer.message()).into()
}

/// <https://www.sqlite.org/rescode.html>: the low byte is the class, the rest the detail.
fn meaning(code: i32, message: &str) -> Error {
    match (code & 0xff, code) {
        (5 | 6, _) => Error::unavailable(format!("the database is locked (SQLite code {code})")),
        (13, _) => Error::unavailable("the disk is full"),
        (7 | 8 | 10 | 14 | 15 | 22, _) => {
            Error::unavailable(format!("the database file cannot be used (SQLite code {code})"))
        }
        (11 | 26, _) => {
            Error::Corrupt { detail: format!("the database file is damaged (SQLite code {code})") }
        }
        (_, 1555 | 2067) => Error::Conflict { constraint: constraint(message) },
        _ => Error::Refused { detail: format!("SQLite code {code}") },
    }
}

/// `UNIQUE constraint failed: table.column, …`: names of columns, no values.
fn constraint(message: &str) -> String {
    message.rsplit(": ").next().unwrap_or("unique").to_owned()
}
