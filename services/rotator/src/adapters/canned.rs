//! An HTTP server that answers what a test tells it, and remembers what it was asked.

use std::sync::{Arc, Mutex, PoisonError};

use mint_types::OutboundUrl;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Status line and headers after the status, body.
    Http(u16, &'static str, String),
    /// The connection is closed after the request was read.
    Closes,
    /// Nothing, for ever.
    Hangs,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Http(status, "content-type: application/json\r\n", body.to_owned())
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Canned {
    pub(crate) url: OutboundUrl,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// Answers the first request with the first answer, and so on; the last one again and again.
    pub(crate) async fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut answers = answers.into_iter().peekable();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answers.next().unwrap();
                let mut rest = answers.clone();
                if rest.next().is_none() {
                    answers = vec![answer.clone()].into_iter().peekable();
                }
                tokio::spawn(answer_once(stream, answer, Arc::clone(&seen)));
            }
        });
        Self { url, requests }
    }

    /// What was asked, each request as it came over the wire.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer_once(mut stream: TcpStream, answer: Answer, seen: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !complete(&request) {
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => request.extend_from_slice(&buffer[..read]),
            Ok(_) | Err(_) => return,
        }
    }
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(String::from_utf8_lossy(&request).into_owned());
    match answer {
        Answer::Closes => {}
        Answer::Hangs => std::future::pending().await,
        Answer::Http(status, headers, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Canned\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
            );
            drop(stream.write_all(format!("{head}{body}").as_bytes()).await);
        }
    }
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// A secret in a file that only its owner may read.
pub(crate) fn secret_file(
    directory: &std::path::Path,
    name: &str,
    text: &str,
) -> mint_runtime::secret_file::SecretFile {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    mint_runtime::secret_file::SecretFile::new(path)
}
