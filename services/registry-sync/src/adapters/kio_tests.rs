//! Against a server that answers whatever it is told.

use std::os::unix::fs::PermissionsExt;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const GOOD: &str = r#"[{"id":"kio","team_id":"stups","name":"Kio"}]"#;

struct Told {
    kio: Kio,
    requests: tokio::sync::mpsc::UnboundedReceiver<String>,
    token: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

/// Answers each connection with these bytes, then closes it.
async fn told(answer: Vec<u8>) -> Told {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/kio", listener.local_addr().unwrap());
    let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (answer, sender) = (answer.clone(), sender.clone());
            tokio::spawn(async move {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap_or(0) > 0 {
                    head.push(byte[0]);
                }
                sender.send(String::from_utf8(head).unwrap()).unwrap();
                drop(stream.write_all(&answer).await);
            });
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "hunter2").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let kio = Kio::open(url.parse().unwrap(), &token, None).unwrap();
    Told { kio, requests, token, _directory: directory }
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}

#[tokio::test]
async fn the_token_is_read_for_each_call() {
    let mut told = told(answer("200 OK", GOOD)).await;
    assert_eq!(told.kio.list().await.unwrap().entries.len(), 1);
    std::fs::write(&told.token, "hunter3\n").unwrap();
    let since = "2026-11-22T01:02:03.000004Z".parse().unwrap();
    assert_eq!(told.kio.changed_after(since).await.unwrap().unwrap().entries.len(), 1);
    let first = told.requests.recv().await.unwrap().to_lowercase();
    assert!(first.starts_with("get /kio/apps http/1.1\r\n"), "{first}");
    assert!(first.contains("authorization: bearer hunter2\r\n"));
    let second = told.requests.recv().await.unwrap();
    assert!(second.contains("modified_after=2026-11-22T01%3A02%3A03.000004Z"), "{second}");
    assert!(second.to_lowercase().contains("authorization: bearer hunter3\r\n"));
}

#[tokio::test]
async fn every_bad_answer_has_its_reason() {
    let cut = {
        let mut bytes = answer("200 OK", GOOD);
        bytes.truncate(bytes.len() - 20);
        bytes
    };
    let half = &GOOD[..GOOD.len() / 2];
    let table = [
        (answer("200 OK", "<html>maintenance</html>"), SourceReason::Malformed),
        (answer("200 OK", "{}"), SourceReason::Malformed),
        (answer("200 OK", half), SourceReason::Incomplete),
        (cut, SourceReason::Unreachable),
        (answer("401 Unauthorized", ""), SourceReason::Unreachable),
        (answer("404 Not Found", GOOD), SourceReason::Unreachable),
        (answer("503 Service Unavailable", "[]"), SourceReason::Unreachable),
        (answer("302 Found", GOOD), SourceReason::Unreachable),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), SourceReason::Unreachable),
    ];
    for (number, (bytes, reason)) in table.into_iter().enumerate() {
        let fault = told(bytes).await.kio.list().await.unwrap_err();
        assert_eq!(fault.reason, reason, "row {number}: {fault}");
        assert!(!format!("{fault} {fault:?}").contains("hunter2"));
    }
    for nothing in ["", "[]", &" ".repeat(10_000_000)] {
        assert_eq!(told(answer("200 OK", nothing)).await.kio.list().await.unwrap(), Listing::default());
    }
}

#[tokio::test]
async fn only_a_404_says_that_an_application_is_gone() {
    let id = "kio".parse().unwrap();
    let one = &GOOD[1..GOOD.len() - 1];
    assert!(told(answer("200 OK", one)).await.kio.read(&id).await.unwrap().is_some());
    assert_eq!(told(answer("404 Not Found", "")).await.kio.read(&id).await.unwrap(), None);
    for doubtful in [
        answer("200 OK", ""),
        answer("200 OK", "null"),
        answer("200 OK", GOOD),
        answer("410 Gone", ""),
        answer("500 Oops", ""),
        Vec::new(),
    ] {
        told(doubtful).await.kio.read(&id).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_token_that_others_may_read_is_not_sent() {
    let mut told = told(answer("200 OK", GOOD)).await;
    std::fs::set_permissions(&told.token, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(told.kio.list().await.unwrap_err().reason, SourceReason::Unreachable);
    assert!(told.requests.try_recv().is_err());
}
