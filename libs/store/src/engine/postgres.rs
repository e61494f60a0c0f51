//! PostgreSQL: a schema and a role for each service.

use std::{
    future::Future,
    str::FromStr,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use mint_types::Timestamp;
use sqlx::{
    Column, ConnectOptions, Encode, Executor, PgPool, Postgres, Row as _, Type, TypeInfo, ValueRef,
    encode::IsNull,
    error::BoxDynError,
    postgres::{
        PgArgumentBuffer, PgArguments, PgConnectOptions, PgPoolOptions, PgRow, PgTypeInfo, types::Oid,
    },
    query::Query,
};

use crate::{
    Error, Row, Value,
    engine::{ACQUIRE_TIMEOUT, ANSWER_TIMEOUT, Engine, STATEMENT_TIMEOUT, Write},
    error::{Classified, classify_transport},
    origin::{Origin, quarantined},
};

/// Small pools: every replica of every service shares the server's `max_connections`.
const WRITERS: u32 = 6;
const READERS: u32 = 4;

/// A standby that is promoted begins a timeline; so does a recovery that ends before the end of the log.
const ORIGIN: &str = "SELECT (SELECT system_identifier FROM pg_control_system())::TEXT || '/' || \
     ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::BIT(32)::INTEGER::TEXT AS origin, \
     (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT AS now";
const BEGIN: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";
const BEGIN_ON_ROWS: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";
/// Held until the write ends.
const LOCK_SCHEMA: &str = "SELECT pg_advisory_xact_lock(hashtext(current_schema()))";

pub(crate) struct Pools {
    writer: PgPool,
    reader: PgPool,
    home: Arc<Home>,
}

/// Where this database was opened, and whether a connection has met another place since.
#[derive(Default)]
struct Home {
    origin: OnceLock<String>,
    strange: OnceLock<String>,
}

impl Home {
    fn met(&self, origin: String) {
        if self.origin.get().is_some_and(|home| *home != origin) {
            tracing::error!(
                code = "STATE_QUARANTINED",
                alarm = true,
                origin,
                "the database is another one now"
            );
            // whoever was first has said the same
            let _known = self.strange.set(origin);
        }
    }

    fn check(&self) -> Result<(), Classified> {
        match (self.origin.get(), self.strange.get()) {
            (Some(home), Some(strange)) => Err(quarantined(home, strange).into()),
            _ => Ok(()),
        }
    }
}

impl Pools {
    async fn begin_with(&self, statement: &'static str) -> Result<Box<dyn Write>, Classified> {
        let transaction = answered(self.writer.begin_with(statement)).await?;
        self.home.check()?;
        Ok(Box::new(transaction))
    }
}

#[async_trait]
impl Engine for Pools {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn make_schema(&self, schema: &'static str) -> Result<(), Error> {
        create_schema(&self.writer, schema).await
    }

    async fn origin(&self) -> Result<Option<Origin>, Classified> {
        let rows = fetch(&self.writer, ORIGIN, &[]).await?;
        let Some(row) = rows.first() else {
            return Err(Error::unavailable("the database does not say where it is").into());
        };
        let now = Timestamp::from_unix_micros(row.integer("now")?);
        Ok(Some(Origin { name: row.text("origin")?, now }))
    }

    fn stay_on(&self, origin: &str) {
        // a database is opened once
        let _known = self.home.origin.set(origin.to_owned());
    }

    async fn read(&self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified> {
        let mut connection = answered(self.reader.acquire()).await?;
        self.home.check()?;
        fetch(&mut *connection, sql, args).await
    }

    async fn begin(&self) -> Result<Box<dyn Write>, Classified> {
        self.begin_with(BEGIN).await
    }

    async fn begin_on_rows(&self) -> Result<Box<dyn Write>, Classified> {
        self.begin_with(BEGIN_ON_ROWS).await
    }

    async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Write for sqlx::Transaction<'static, Postgres> {
    async fn lock_schema(&mut self) -> Result<(), Classified> {
        self.script(LOCK_SCHEMA).await
    }

    async fn fetch(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified> {
        fetch(&mut **self, sql, args).await
    }

    async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Classified> {
        Ok(answered(bound(sql, args).execute(&mut **self)).await?.rows_affected())
    }

    async fn script(&mut self, sql: &'static str) -> Result<(), Classified> {
        answered(sqlx::raw_sql(sql).execute(&mut **self)).await.map(|_| ())
    }

    async fn commit(self: Box<Self>) -> Result<(), Classified> {
        committed(Self::commit(*self)).await
    }

    async fn rollback(self: Box<Self>) {
        // A connection that cannot roll back is thrown away by the pool, and the server rolls back for it.
        let _gone = answered(Self::rollback(*self)).await;
    }
}

pub(crate) async fn open(url: &str, schema: &'static str) -> Result<Pools, Error> {
    if !schema.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return Err(Error::Url { detail: "the schema's name is not in lower snake case".into() });
    }
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| Error::Url { detail: "it is not a PostgreSQL URL".into() })?
        .application_name(&format!("mint-{schema}"))
        .options([
            ("search_path", schema.to_owned()),
            ("statement_timeout", STATEMENT_TIMEOUT.as_millis().to_string()),
            ("lock_timeout", STATEMENT_TIMEOUT.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", ANSWER_TIMEOUT.as_millis().to_string()),
        ])
        .disable_statement_logging();
    let home = Arc::new(Home::default());
    let reading = options.clone().options([("default_transaction_read_only", "on")]);
    let reader = pool(READERS, &home).connect_lazy_with(reading);
    let writer = pool(WRITERS, &home).connect_with(options).await.map_err(|error| classify(&error).error)?;
    Ok(Pools { writer, reader, home })
}

/// Connections that a failover ended are made anew: each says where it is.
fn pool(connections: u32, home: &Arc<Home>) -> PgPoolOptions {
    let home = Arc::clone(home);
    PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(0)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            let home = Arc::clone(&home);
            Box::pin(async move {
                let row = sqlx::query(ORIGIN).fetch_one(connection).await?;
                home.met(row.try_get("origin")?);
                Ok(())
            })
        })
}

async fn fetch<'c, E>(executor: E, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, Classified>
where
    E: Executor<'c, Database = Postgres>,
{
    let rows = answered(bound(sql, args).fetch_all(executor)).await?;
    decode(&rows).map_err(Classified::from)
}

/// Ends the wait for a server that has vanished without a word.
async fn answered<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Classified> {
    match tokio::time::timeout(ANSWER_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| classify(&error)),
        Err(_) => Err(Error::unavailable("the database did not answer in time").into()),
    }
}

/// A server that answered a commit with an error did not commit; one that did not answer may have.
async fn committed(commit: impl Future<Output = Result<(), sqlx::Error>>) -> Result<(), Classified> {
    match tokio::time::timeout(ANSWER_TIMEOUT, commit).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error @ sqlx::Error::Database(_))) => Err(classify(&error)),
        Ok(Err(error)) => {
            Err(Error::OutcomeUnknown { detail: classify_transport(&error).to_string() }.into())
        }
        Err(_) => Err(Error::OutcomeUnknown { detail: "the database did not answer in time".into() }.into()),
    }
}

/// Asks first, because a role that may not create schemas may still migrate its own.
async fn create_schema(pool: &PgPool, schema: &'static str) -> Result<(), Error> {
    let exists = "SELECT 1::BIGINT AS one FROM pg_namespace WHERE nspname = $1";
    let found = fetch(pool, exists, &[schema.into()]).await.map_err(|classified| classified.error)?;
    if !found.is_empty() {
        return Ok(());
    }
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
    match answered(sqlx::raw_sql(create).execute(pool)).await {
        // Another replica was quicker.
        Ok(_) | Err(Classified { error: Error::Conflict { .. }, .. }) => Ok(()),
        Err(classified) => Err(classified.error),
    }
}

fn bound(sql: &'static str, args: &[Value]) -> Query<'static, Postgres, PgArguments> {
    args.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(Untyped),
        Value::Integer(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.clone()),
        Value::Bytes(bytes) => query.bind(bytes.clone()),
    })
}

/// A null whose type the server infers from where it stands.
struct Untyped;

impl Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(&self, _buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

fn decode(rows: &[PgRow]) -> Result<Vec<Row>, Error> {
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

fn value(row: &PgRow, index: usize, column: &str) -> Result<Value, Error> {
    let raw = row.try_get_raw(index).map_err(|error| classify(&error).error)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let decoded = match raw.type_info().name() {
        "INT8" => row.try_get::<i64, _>(index).map(Value::Integer),
        "INT4" => row.try_get::<i32, _>(index).map(|number| Value::Integer(i64::from(number))),
        "BOOL" => row.try_get::<bool, _>(index).map(|truth| Value::Integer(i64::from(truth))),
        "TEXT" | "VARCHAR" | "NAME" => row.try_get::<String, _>(index).map(Value::Text),
        "BYTEA" => row.try_get::<Vec<u8>, _>(index).map(Value::Bytes),
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
    let state = answer.code().unwrap_or_default();
    let repeat = matches!(&*state, "40001" | "40P01");
    Classified { error: meaning(&state, answer.constraint()), repeat }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn meaning(state: &str, constraint: Option<&str>) -> Error {
    match state {
        "23505" | "42P06" | "42P07" | "42710" => {
            Error::Conflict { constraint: constraint.unwrap_or("unique").to_owned() }
        }
        "53100" => Error::unavailable("the database server's disk is full"),
        "40001" | "40P01" => Error::unavailable("too many concurrent writers"),
        "57014" => Error::unavailable("the statement took too long"),
        "55P03" | "57P01" | "57P02" | "57P03" | "25006" | "25P03" => {
            Error::unavailable(format!("the database server is not ready (SQLSTATE {state})"))
        }
        "XX001" | "XX002" => Error::Corrupt { detail: format!("the database is damaged (SQLSTATE {state})") },
        _ if state.starts_with("08") || state.starts_with("53") || state.starts_with("58") => {
            Error::unavailable(format!("the database server cannot serve (SQLSTATE {state})"))
        }
        _ => Error::Refused { detail: format!("SQLSTATE {state}") },
    }
}
