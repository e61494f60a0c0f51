use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers every connection's first request with these bytes and closes it.
async fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _read = stream.read(&mut request).await;
            let _written = stream.write_all(answer).await;
        }
    });
    format!("http://{address}/x")
}

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn an_answer_is_read_whole() {
    let url = server(b"HTTP/1.1 429 Too Many\r\nretry-after: 90\r\ncontent-length: 4\r\n\r\nslow").await;
    let response = HttpClient::new().send(get(&url), SOON, 10).await.unwrap();
    assert_eq!((response.status.as_u16(), response.body.as_slice()), (429, &b"slow"[..]));
    assert_eq!(response.retry_after(), Some(Duration::from_secs(90)));
    assert!(!format!("{response:?}").contains("slow"));
}

#[tokio::test]
async fn plain_http_to_another_machine_is_refused_before_anything_is_sent() {
    for url in ["http://10.0.0.1/", "http://example.org/", "ftp://127.0.0.1/"] {
        let error = HttpClient::new().send(get(url), SOON, 10).await.unwrap_err();
        assert!(matches!(error, HttpError::Refused(_)) && error.surely_not_sent(), "{url}: {error}");
    }
}

#[tokio::test]
async fn what_was_surely_not_sent_is_told_apart_from_an_unknown_outcome() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = HttpClient::new().send(get(&format!("http://{unused}/")), SOON, 10).await.unwrap_err();
    assert!(error.surely_not_sent(), "{error}");

    let closed = server(b"").await;
    let error = HttpClient::new().send(get(&closed), SOON, 10).await.unwrap_err();
    assert!(!error.surely_not_sent(), "{error}");

    let half = server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    let error = HttpClient::new().send(get(&half), SOON, 10).await.unwrap_err();
    assert!(!error.surely_not_sent(), "{error}");
}

#[tokio::test]
async fn a_hanging_server_is_left_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let error = HttpClient::new().send(get(&url), Duration::from_millis(100), 10).await.unwrap_err();
    assert!(matches!(error, HttpError::Unanswered(_)), "{error}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let url = server(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nelevenbytes").await;
    assert_eq!(HttpClient::new().send(get(&url), SOON, 11).await.unwrap().body.len(), 11);
    let error = HttpClient::new().send(get(&url), SOON, 10).await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { limit: 10, .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let url = server(b"HTTP/1.1 301 Moved\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(HttpClient::new().send(get(&url), SOON, 10).await.unwrap().status.as_u16(), 301);
}
