//! The local endpoint that SDKs ask for credentials (AWS SDKs and Tools Reference Guide, "Container credential provider").
//!
//! It is on loopback, answers only who knows the token of this one run, and is gone when the command has ended.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::http::{HeaderValue, Method, StatusCode, header};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use mint_types::Entropy;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::Keeper;
use crate::Error;

const PATH: &str = "/credentials";
/// SDKs of one command; whoever else connects waits, and is cut off in time.
const MOST_CONNECTIONS: usize = 64;
const HEADERS_WITHIN: Duration = Duration::from_secs(5);

/// The endpoint, bound and not serving yet.
#[derive(Debug)]
pub(crate) struct Endpoint {
    listener: TcpListener,
    door: Arc<Door>,
}

struct Door {
    keeper: Arc<Keeper>,
    authorization: Zeroizing<String>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Takes a free port and draws the token.
    pub(crate) async fn bind(keeper: Arc<Keeper>, entropy: &dyn Entropy) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(Error::io("listen on 127.0.0.1"))?;
        let mut random = Zeroizing::new([0; 32]);
        entropy.fill(&mut *random);
        let authorization = Zeroizing::new(hex::encode(*random));
        Ok(Self { listener, door: Arc::new(Door { keeper, authorization }) })
    }

    /// What leads an SDK here.
    pub(crate) fn variables(&self) -> Result<[(&'static str, Zeroizing<String>); 2], Error> {
        let address = self.listener.local_addr().map_err(Error::io("listen on 127.0.0.1"))?;
        Ok([
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", Zeroizing::new(format!("http://{address}{PATH}"))),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", self.door.authorization.clone()),
        ])
    }

    /// Answers until it is dropped, and all connections with it.
    pub(crate) async fn serve(self) -> std::convert::Infallible {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= MOST_CONNECTIONS {
                connections.join_next().await;
            }
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(converse(stream, Arc::clone(&self.door)));
                    }
                    // out of descriptors, mostly: others end meanwhile
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// One request a connection: SDKs ask once in a while.
async fn converse(stream: TcpStream, door: Arc<Door>) {
    let service = service_fn(move |request| {
        let door = Arc::clone(&door);
        async move { Ok::<_, std::convert::Infallible>(door.answer(&request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // who hangs up is no concern of the command's
    let _ = connection.await;
}

impl Door {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !self.opens(request.headers()) {
            return refused(
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                "send the token of AWS_CONTAINER_AUTHORIZATION_TOKEN",
            );
        }
        if request.uri().path() != PATH {
            return refused(StatusCode::NOT_FOUND, "NotFound", "there is nothing else here");
        }
        if request.method() != Method::GET {
            return refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "GET, please");
        }
        match self.keeper.fresh().await {
            Ok(credentials) => answer(StatusCode::OK, Bytes::from_owner(credentials.of_container())),
            Err(error) => refused(StatusCode::BAD_GATEWAY, error.code(), &error.to_string()),
        }
    }

    /// Exactly one token, and the right one, whatever it takes to compare.
    fn opens(&self, headers: &hyper::HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.as_bytes().ct_eq(self.authorization.as_bytes()).into(),
            _ => false,
        }
    }
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    answer(status, serde_json::json!({"code": code, "message": message}).to_string().into())
}

fn answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use mint_runtime::SystemEntropy;
    use mint_runtime::http::HttpClient;
    use mint_testkit::ManualClock;

    use super::*;
    use crate::credentials::keeper::tests::keeper;

    const LIMIT: Duration = Duration::from_mins(1);

    async fn ask(method: &str, url: &str, tokens: &[&str]) -> (u16, serde_json::Value) {
        let mut request = Request::builder().method(method).uri(url);
        for token in tokens {
            request = request.header("authorization", *token);
        }
        let answer =
            HttpClient::new().send(request.body(Bytes::new()).unwrap(), LIMIT, 1 << 16).await.unwrap();
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
    }

    #[tokio::test]
    async fn the_endpoint_answers_only_who_has_the_token_of_this_run_and_is_gone_afterwards() {
        let (keeper, asked, is_down) = keeper(&ManualClock::default());
        let endpoint = Endpoint::bind(keeper, &SystemEntropy).await.unwrap();
        let [(_, url), (_, token)] = endpoint.variables().unwrap();
        assert!(url.starts_with("http://127.0.0.1:") && token.len() == 64);
        let serving = tokio::spawn(endpoint.serve());
        let almost = format!("{}x", &token[..63]);
        let bearer = format!("Bearer {}", *token);
        for tokens in
            [&[][..], &[""], &[&almost], &[&token[..63]], &[&bearer], &[&token, &token], &[&token, "x"]]
        {
            assert_eq!(ask("GET", &url, tokens).await.0, 401, "{}", tokens.len());
        }
        assert_eq!(ask("POST", &url, &[&token]).await.0, 405);
        assert_eq!(ask("GET", &url.replace("/credentials", "/"), &[&token]).await.0, 404);
        assert_eq!(asked.load(Ordering::SeqCst), 0, "nothing was fetched for any of them");
        is_down.store(1, Ordering::SeqCst);
        assert_eq!(
            ask("GET", &url, &[&token]).await,
            (
                502,
                serde_json::json!({
            "code": "STS_UNAVAILABLE", "message": "STS gives no credentials: it is down"})
            )
        );
        is_down.store(0, Ordering::SeqCst);
        let (status, document) = ask("GET", &url, &[&token]).await;
        assert_eq!((status, &document["AccessKeyId"]), (200, &"ASIAEXAMPLE".into()));
        let address = url.strip_prefix("http://").unwrap().strip_suffix(PATH).unwrap().to_owned();
        let open = TcpStream::connect(&address).await.unwrap();
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        assert!(TcpStream::connect(&address).await.is_err(), "nobody listens any more");
        drop(open);
    }
}
