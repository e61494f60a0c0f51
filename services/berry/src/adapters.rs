//! The store over S3.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use mint_secret::Zeroizing;

use crate::config::Config;
use crate::identity::Identity;
use crate::ports::{Absence, CredentialStore, Fetched};

/// Credentials are a few hundred bytes; what is longer is none.
const LONGEST_OBJECT: usize = 64 * 1024;
/// One call with its retries, until the answer begins.
const DEADLINE: Duration = Duration::from_secs(20);
/// All of it: credentials, the call, and the body, which the SDK's own deadlines leave out. A store that sends a byte
/// now and then must not keep berry from its next poll.
const WHOLE_DEADLINE: Duration = Duration::from_secs(45);
/// One attempt of it.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(8);

/// The adapter.
#[derive(Debug)]
pub(crate) struct S3 {
    client: Client,
    identity: Identity,
    bucket: String,
    directory: String,
}

impl S3 {
    /// Reads below one application's directory, as this identity.
    pub(crate) fn new(identity: Identity, config: &Config) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(DEADLINE)
            .operation_attempt_timeout(ATTEMPT_DEADLINE)
            .build();
        let mut builder = Builder::from(&identity.sdk_config())
            // a read may be repeated
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = identity.s3_endpoint() {
            builder = builder.endpoint_url(endpoint.as_str()).force_path_style(true);
        }
        Self {
            client: Client::from_conf(builder.build()),
            identity,
            bucket: config.bucket.to_string(),
            directory: format!("{}{}/", config.prefix.directory(), config.application),
        }
    }
}

#[async_trait]
impl CredentialStore for S3 {
    async fn get(&self, name: &'static str, unless: Option<&str>) -> Fetched {
        let fetched = tokio::time::timeout(WHOLE_DEADLINE, self.fetch(name, unless)).await;
        fetched.unwrap_or_else(|_| Fetched::Failed("the store did not answer in time".to_owned()))
    }
}

impl S3 {
    async fn fetch(&self, name: &'static str, unless: Option<&str>) -> Fetched {
        // told apart from the store's own refusals
        if let Err(error) = self.identity.ready().await {
            return Fetched::Failed(format!("no AWS credentials: {}", crate::error::chain(&error)));
        }
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(format!("{}{name}", self.directory))
            .set_if_none_match(unless.map(ToOwned::to_owned));
        match request.send().await {
            Ok(output) => read(output).await,
            Err(error) => self.refused(&error),
        }
    }

    fn refused(&self, error: &SdkError<GetObjectError>) -> Fetched {
        let SdkError::ServiceError(service) = error else {
            return Fetched::Failed(unanswered(error).to_owned());
        };
        let status = service.raw().status().as_u16();
        let code = service.err().code().unwrap_or("no code");
        if matches!(code, "ExpiredToken" | "InvalidToken" | "InvalidAccessKeyId") {
            self.identity.forget();
            return Fetched::Failed(format!("the store answered {status} {}", shown(code)));
        }
        match (status, code) {
            (304, _) => Fetched::Unchanged,
            (404, "NoSuchBucket") => Fetched::Failed("there is no such bucket".to_owned()),
            (404, _) => Fetched::Absent(Absence::Missing),
            (403, "AccessDenied" | "no code") => Fetched::Absent(Absence::MissingOrForbidden),
            _ => Fetched::Failed(format!("the store answered {status} {}", shown(code))),
        }
    }
}

fn unanswered(error: &SdkError<GetObjectError>) -> &'static str {
    match error {
        SdkError::TimeoutError(_) => "the store did not answer in time",
        SdkError::DispatchFailure(_) => "the store cannot be reached",
        SdkError::ResponseError(_) => "the store answered what is no answer of S3",
        _ => "no request can be made from the bucket, the region and the endpoint",
    }
}

fn shown(code: &str) -> String {
    code.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == ' ').take(64).collect()
}

async fn read(output: GetObjectOutput) -> Fetched {
    let etag = output.e_tag;
    let mut body = output.body;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_OBJECT));
    while let Some(chunk) = body.next().await {
        let Ok(chunk) = chunk else {
            return Fetched::Failed("the answer broke off".to_owned());
        };
        if bytes.len() + chunk.len() > LONGEST_OBJECT {
            return Fetched::Failed(format!(
                "the object has more than {LONGEST_OBJECT} bytes: it is no credential"
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    Fetched::Found { bytes, etag }
}
