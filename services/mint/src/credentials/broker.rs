//! The broker's exchange: `POST /v1/mint-aws-creds` with a session of the IAM solution.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::http::{Request, StatusCode, header};
use mint_runtime::http::HttpClient;
use mint_types::{OutboundUrl, ServiceName};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Credentials, is_part};
use crate::Error;

/// The broker signs, asks STS and writes to the audit log twice.
const DEADLINE: Duration = Duration::from_secs(30);
const LONGEST_ANSWER: usize = 64 * 1024;
/// No session is longer.
const LONGEST_SESSION: u64 = 8 * 1024;
/// No message of the broker is longer; what stands there instead of a broker may say more.
const LONGEST_MESSAGE: usize = 300;

/// The broker, spoken to with a session that lies in a file and is read for each call.
#[derive(Debug, Clone)]
pub(crate) struct BrokerHttp {
    pub(crate) http: HttpClient,
    pub(crate) url: OutboundUrl,
    pub(crate) session: PathBuf,
}

#[derive(Deserialize)]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
    wallet: String,
}

#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    error: String,
    #[serde(default)]
    message: String,
}

impl BrokerHttp {
    /// The credentials, and as what they read.
    pub(crate) async fn obtain(&self) -> Result<(Credentials, String), Error> {
        let authorization = Zeroizing::new(format!("Bearer {}", *self.session()?));
        let mut value = header::HeaderValue::from_str(&authorization).map_err(|_| self.no_session())?;
        value.set_sensitive(true);
        let request = Request::post(format!("{}/v1/mint-aws-creds", self.url.as_str().trim_end_matches('/')))
            .header(header::AUTHORIZATION, value)
            .body(Bytes::new());
        let request = request.map_err(|error| unanswered(&error))?;
        let answer = self.http.send(request, DEADLINE, LONGEST_ANSWER).await;
        let answer = answer.map_err(|error| unanswered(&error))?;
        if answer.status == StatusCode::OK {
            read(&answer.body)
        } else {
            Err(refusal(answer.status, &answer.body))
        }
    }

    fn session(&self) -> Result<Zeroizing<String>, Error> {
        let what = format!("read the session in {}", self.session.display());
        let mut text =
            Zeroizing::new(String::with_capacity(2 * usize::try_from(LONGEST_SESSION).unwrap_or(0)));
        std::fs::File::open(&self.session)
            .and_then(|file| file.take(LONGEST_SESSION + 1).read_to_string(&mut text))
            .map_err(Error::io(what))?;
        let session = text.trim();
        if is_part(session) && text.len() as u64 <= LONGEST_SESSION {
            Ok(Zeroizing::new(session.to_owned()))
        } else {
            Err(self.no_session())
        }
    }

    fn no_session(&self) -> Error {
        Error::Usage {
            what: format!("{} holds no bearer token", self.session.display()),
            advice: "write the session's token into it, and nothing else".to_owned(),
        }
    }
}

fn unanswered(problem: &dyn std::fmt::Display) -> Error {
    Error::Unanswered { service: ServiceName::Broker, what: problem.to_string() }
}

fn read(body: &[u8]) -> Result<(Credentials, String), Error> {
    // what the parser says could quote the answer
    let malformed = || unanswered(&"the answer is none of the broker's");
    let answer: Answer = serde_json::from_slice(body).map_err(|_| malformed())?;
    let credentials = Credentials {
        access_key_id: answer.access_key_id,
        secret_access_key: Zeroizing::new(answer.secret_access_key),
        session_token: Zeroizing::new(answer.session_token),
        expiration: answer.expiration.parse().map_err(|_| malformed())?,
    };
    let parts = [&credentials.access_key_id, &*credentials.secret_access_key, &*credentials.session_token];
    if parts.into_iter().all(|part| is_part(part)) {
        Ok((credentials, answer.wallet))
    } else {
        Err(malformed())
    }
}

/// A refusal of the broker in the words of the other calls, so that its exit code is theirs.
fn refusal(status: StatusCode, body: &[u8]) -> Error {
    use tonic::Code;
    let said: Refused = serde_json::from_slice(body).unwrap_or_default();
    let plain =
        |text: &str| text.chars().filter(|letter| !letter.is_control()).take(LONGEST_MESSAGE).collect();
    let code = match status {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::GONE | StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::Internal,
    };
    let reason: String = plain(&said.error);
    let message: String = plain(&said.message);
    Error::Refused {
        service: ServiceName::Broker,
        code,
        reason: if reason.is_empty() { "-".to_owned() } else { reason },
        message: if message.is_empty() { format!("status {}", status.as_u16()) } else { message },
    }
}
