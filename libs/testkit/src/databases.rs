//! Fresh databases for contract suites.

use std::sync::atomic::{AtomicU64, Ordering};

use mint_store::{Database, Error, Migrate, Migration};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use url::Url;

/// Names a superuser's URL, for example `postgres://postgres@127.0.0.1:5433/postgres`.
const POSTGRES: &str = "MINT_TEST_POSTGRES";

/// A fresh, migrated database; gone when it is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    /// `sqlite` or `postgres`, for the messages of assertions.
    pub engine: &'static str,
    /// For opening it once more, or for a service's `state.url`.
    pub url: String,
    /// The open database.
    pub database: Database,
    _place: Place,
}

impl TestDatabase {
    /// Runs a script as the superuser, on PostgreSQL: `permissions/postgres.sql`, for example.
    pub async fn administer(&self, script: &str) {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(script.to_owned()))
            .execute(&mut connection)
            .await
            .expect("the script runs");
        connection.close().await.unwrap();
    }

    /// The URL with another role; the server must trust local roles.
    pub fn url_as(&self, role: &str) -> String {
        let mut url = Url::parse(&self.url).unwrap();
        url.set_username(role).unwrap();
        url.to_string()
    }
}

impl TestDatabase {
    /// The same database after a failover that an administrator accepted: opened anew, on an origin of its own. None
    /// where the engine cannot tell one history from another.
    pub async fn losing_writes(
        &self,
        schema: &'static str,
        migrations: &'static [Migration],
    ) -> Option<Database> {
        let moved =
            self.database.execute("UPDATE mint_origins SET origin = 'elsewhere/1'", &[]).await.unwrap();
        if moved == 0 {
            return None;
        }
        match Database::open(&self.url, schema, migrations, true).await {
            Err(Error::Quarantined { found, .. }) => {
                let accepting = Migrate::Accepting(found);
                Some(Database::open(&self.url, schema, migrations, accepting).await.unwrap())
            }
            other => panic!("a database of another origin is quarantined, not {other:?}"),
        }
    }
}

#[derive(Debug)]
enum Place {
    Directory { _directory: TempDir },
    Server { _created: Created },
}

/// A fresh SQLite database and, where there is a server, a fresh PostgreSQL one. Run every store test on all of them.
pub async fn databases(schema: &'static str, migrations: &'static [Migration]) -> Vec<TestDatabase> {
    let mut made = vec![on_sqlite(schema, migrations).await];
    if let Ok(server) = std::env::var(POSTGRES) {
        made.push(on_postgres(&server, schema, migrations).await);
    }
    made
}

async fn on_sqlite(schema: &'static str, migrations: &'static [Migration]) -> TestDatabase {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("state.db").display());
    let database = Database::open(&url, schema, migrations, true).await.unwrap();
    TestDatabase { engine: "sqlite", url, database, _place: Place::Directory { _directory: directory } }
}

async fn on_postgres(server: &str, schema: &'static str, migrations: &'static [Migration]) -> TestDatabase {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("mint_test_{}_{number}", std::process::id());
    let mut connection = PgConnection::connect(server).await.expect("MINT_TEST_POSTGRES answers");
    let drop_old = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    sqlx::query(AssertSqlSafe(drop_old)).execute(&mut connection).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let created = Created { server: server.to_owned(), name };
    let mut url = Url::parse(server).expect("MINT_TEST_POSTGRES is a URL");
    url.set_path(&created.name);
    let url = url.to_string();
    let database = Database::open(&url, schema, migrations, true).await.unwrap();
    TestDatabase { engine: "postgres", url, database, _place: Place::Server { _created: created } }
}

#[derive(Debug)]
struct Created {
    server: String,
    name: String,
}

impl Drop for Created {
    /// In a thread of its own: the test's runtime may be the one that is being torn down.
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await?;
                sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
                connection.close().await
            })
        });
        // A database that stays behind is noise, not a failure; the next run with its name drops it.
        drop(dropping.join());
    }
}
