//! A private PostgreSQL cluster, by the scripts of `tests/peers`.

use std::path::{Path, PathBuf};
use std::process::Command;

use mint_types::ServiceName;

/// A running cluster; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Postgres {
    directory: PathBuf,
    url: String,
}

impl Postgres {
    pub(crate) fn start(directory: &Path) -> Self {
        let output = Command::new(script("postgres-up.sh")).arg(directory).output().expect("a shell");
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(output.status.success(), "PostgreSQL does not start: {}", words(&output.stderr));
        Self { directory: directory.to_owned(), url: words(&output.stdout) }
    }

    /// As the role of a service, which owns nothing.
    pub(crate) fn url_of(&self, service: ServiceName) -> String {
        self.url.replacen(SUPERUSER, &role_of(service), 1)
    }

    /// The rows of a question.
    pub(crate) fn ask(&self, sql: &str) -> Vec<Vec<String>> {
        let output = Command::new("psql")
            .args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, &self.url])
            .output()
            .expect("psql is installed");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(|line| line.split('|').map(ToOwned::to_owned).collect()).collect()
    }
}

/// How a URL of the cluster names the superuser.
const SUPERUSER: &str = "postgres@";

/// How it names a service's role.
fn role_of(service: ServiceName) -> String {
    format!("mint_{}@", service.as_str().replace('-', "_"))
}

/// The superuser's URL for a service's own.
pub(crate) fn owner_of(url: &str, service: ServiceName) -> String {
    url.replacen(&role_of(service), SUPERUSER, 1)
}

/// Makes a service's role and schema, and grants it the tables that are there: what an administrator runs before its
/// schema is migrated, and again after it.
pub(crate) fn administer(service: ServiceName, owner: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = root.join("services").join(service.as_str()).join("permissions/postgres.sql");
    let output = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file"])
        .arg(&file)
        .arg(owner)
        .output()
        .expect("psql is installed");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _stopped = Command::new(script("postgres-down.sh")).arg(&self.directory).status();
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}
