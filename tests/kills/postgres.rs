//! A private PostgreSQL cluster, by the scripts of `tests/peers`.

use std::path::{Path, PathBuf};
use std::process::Command;

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

    pub(crate) fn url(&self) -> &str {
        &self.url
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

impl Drop for Postgres {
    fn drop(&mut self) {
        let _stopped = Command::new(script("postgres-down.sh")).arg(&self.directory).status();
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}
