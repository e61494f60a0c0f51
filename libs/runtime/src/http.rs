//! Calls to what is not ours: registries, issuers. One attempt, one deadline, a bounded body, no redirects, plain http
//! to loopback only.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::Error;

/// A peer that does not accept within this is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than servers keep idle connections: a request on one that is just being closed has an unknown outcome.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Refused before anything was sent.
    #[error("the request was not sent: {0}")]
    Refused(&'static str),
    /// No connection: nothing was sent.
    #[error("cannot connect: {0}")]
    Unconnected(String),
    /// It may have been received and done.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// The answer's body is larger than the caller allows; it was not read further.
    #[error("the answer has more than {limit} bytes (status {status})")]
    TooLarge {
        /// The caller's limit.
        limit: usize,
        /// The answer's status.
        status: StatusCode,
    },
}

impl HttpError {
    /// Whether the other side surely never saw the request.
    pub fn surely_not_sent(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Unconnected(_) => true,
            Self::Unanswered(_) | Self::TooLarge { .. } => false,
        }
    }
}

/// The longest wait that a server is believed to ask for: an instant in the place of seconds would be decades.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// An answer; its body is erased when dropped, because it may hold a credential.
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl HttpResponse {
    /// `Retry-After` in its form of seconds (RFC 9110 section 10.2.3), at most [`LONGEST_RETRY_AFTER`].
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
        value.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
    }
}

/// A client with a pool of kept connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpClient {
    inner: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClient {
    /// A client that trusts the public certificate authorities.
    pub fn new() -> Self {
        crate::install_crypto_provider();
        Self::over(HttpsConnectorBuilder::new().with_webpki_roots())
    }

    /// A client that trusts the certificate authorities in a PEM file, and no others.
    pub fn with_ca(file: &Path) -> Result<Self, Error> {
        crate::install_crypto_provider();
        let unusable = |problem: String| Error::Identity { file: file.to_owned(), problem };
        let mut roots = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self::over(HttpsConnectorBuilder::new().with_tls_config(config)))
    }

    fn over(builder: HttpsConnectorBuilder<hyper_rustls::builderstates::WantsSchemes>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // Whether plain http is allowed depends on the host: `send` decides.
        let connector = builder.https_or_http().enable_http1().enable_http2().wrap_connector(tcp);
        let inner = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { inner }
    }

    /// Sends a request once and reads the whole answer, headers and body, within `deadline`.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        deadline: Duration,
        max_body: usize,
    ) -> Result<HttpResponse, HttpError> {
        check(request.uri())?;
        match tokio::time::timeout(deadline, self.exchange(request.map(Full::new), max_body)).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Unanswered(format!("the deadline of {deadline:?} passed"))),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        max_body: usize,
    ) -> Result<HttpResponse, HttpError> {
        let response = self.inner.request(request).await.map_err(|error| {
            let text = crate::error::chain(&error);
            if error.is_connect() { HttpError::Unconnected(text) } else { HttpError::Unanswered(text) }
        })?;
        let (parts, mut incoming) = response.into_parts();
        let status = parts.status;
        let mut body = Zeroizing::new(Vec::new());
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| HttpError::Unanswered(crate::error::chain(&error)))?;
            let Some(chunk) = frame.data_ref() else {
                continue;
            };
            if chunk.len() > max_body.saturating_sub(body.len()) {
                return Err(HttpError::TooLarge { limit: max_body, status });
            }
            append(&mut body, chunk);
        }
        Ok(HttpResponse { status, headers: parts.headers, body })
    }
}

/// Grows into a new buffer and erases the old one: `Vec` would free it with what it holds.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

fn check(uri: &Uri) -> Result<(), HttpError> {
    let text = uri.to_string();
    match text.parse::<mint_types::OutboundUrl>() {
        Ok(_) => Ok(()),
        Err(refused) => Err(HttpError::Refused(refused.rule)),
    }
}

#[cfg(test)]
mod tests;
