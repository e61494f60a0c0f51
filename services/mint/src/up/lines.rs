//! What children write: each line goes to the console and to the child's log file.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use futures::future::join;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

use super::console::Console;
use super::layout::{DataDirectory, append_private};

/// A log file that has grown beyond this is put aside at the next start of its child.
const LARGEST_LOG: u64 = 64 * 1024 * 1024;

/// Follows both outputs of a child until they end.
pub(crate) fn follow(
    child: &mut Child,
    name: &'static str,
    directory: &DataDirectory,
    console: &Console,
) -> JoinHandle<()> {
    let path = directory.log(name);
    put_aside(&path);
    let (log, copy) = match append_private(&path).and_then(|log| Ok((log.try_clone()?, log))) {
        Ok((log, copy)) => (Some(log), Some(copy)),
        // what children say still goes to the console
        Err(error) => {
            console.say(format_args!("mint: {} cannot be written: {error}", path.display()));
            (None, None)
        }
    };
    let output = child.stdout.take().map(|pipe| copy_lines(pipe, name, copy, console.clone()));
    let errors = child.stderr.take().map(|pipe| copy_lines(pipe, name, log, console.clone()));
    tokio::spawn(async move {
        join(optional(output), optional(errors)).await;
    })
}

async fn optional(copy: Option<impl Future<Output = ()>>) {
    if let Some(copy) = copy {
        copy.await;
    }
}

async fn copy_lines(
    pipe: impl AsyncRead + Unpin,
    name: &'static str,
    mut log: Option<File>,
    console: Console,
) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        let text = String::from_utf8_lossy(&line);
        console.child(name, &text);
        if let Some(log) = &mut log {
            // a full disk must not end the world: the line was on stderr
            let _ = log.write_all(format!("{text}\n").as_bytes());
        }
        line.clear();
    }
}

fn put_aside(path: &Path) {
    if std::fs::metadata(path).is_ok_and(|log| log.len() > LARGEST_LOG) {
        let _ = std::fs::rename(path, path.with_extension("log.1"));
    }
}
