//! A server that answers whatever it is told, and what an act needs beside it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mint_api::audit_log::{Act, Announced, AuditLog, MemoryAuditLog};
use mint_testkit::SeededEntropy;
use mint_types::{OutboundUrl, RequestId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::Error;
use crate::adapters::memory::{application, naming};
use crate::model::{ServiceUser, Stage};

/// An API at a server that answers whatever it is told.
pub(super) struct Told<A> {
    pub(super) api: A,
    pub(super) requests: UnboundedReceiver<String>,
    /// Where the API reads its secret, `hunter2`.
    pub(super) directory: tempfile::TempDir,
}

/// Answers each connection with the next of these bytes, the last ones again and again, then closes it.
pub(super) async fn told<A>(
    path: &str,
    answers: Vec<Vec<u8>>,
    open: impl FnOnce(OutboundUrl, &Path) -> Result<A, Error>,
) -> Told<A> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/{path}", listener.local_addr().unwrap());
    let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (answer, sender) = (answers[answers.len().min(number + 1) - 1].clone(), sender.clone());
            tokio::spawn(async move {
                let mut buffer = vec![0; 65536];
                let mut read = 0;
                while !is_whole(&buffer[..read]) {
                    match stream.read(&mut buffer[read..]).await.unwrap_or(0) {
                        0 => break,
                        more => read += more,
                    }
                }
                sender.send(String::from_utf8_lossy(&buffer[..read]).into_owned()).unwrap();
                drop(stream.write_all(&answer).await);
            });
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "hunter2").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let api = open(url.parse().unwrap(), &token).unwrap();
    Told { api, requests, directory }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

pub(super) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

pub(super) async fn announced() -> Announced {
    let act = Act {
        action: "identity.ensure",
        application: None,
        kind: None,
        resource: String::new(),
        rotation: None,
        request: RequestId::random(&SeededEntropy::default()),
    };
    MemoryAuditLog::default().announce(act).await.unwrap()
}

pub(super) fn user(stage: Stage) -> ServiceUser {
    naming().user(&application("kio", &["sales_order.read"]), stage)
}
