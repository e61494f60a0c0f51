//! The exchange at STS: a port of one call, and its adapter over the SDK.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use zeroize::Zeroizing;

use crate::{Environment, StsFault};

/// How long one exchange may take. STS answers in well under a second; a caller of ours waits on it.
const EXCHANGE_DEADLINE: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// The one call that web identity needs.
#[async_trait]
pub trait TokenExchange: Debug + Send + Sync {
    /// `sts:AssumeRoleWithWebIdentity`: a token for session credentials.
    async fn exchange(&self, token: &Zeroizing<String>) -> Result<Credentials, StsFault>;
}

/// STS through the SDK.
#[derive(Debug)]
pub struct SdkSts {
    client: aws_sdk_sts::Client,
    role_arn: String,
    session_name: String,
}

impl SdkSts {
    /// For the role of this environment.
    pub fn new(environment: &Environment, http: SharedHttpClient) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_DEADLINE)
            .operation_timeout(EXCHANGE_DEADLINE)
            .build();
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(environment.region.clone()))
            .http_client(http)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(endpoint) = &environment.sts_endpoint {
            config = config.endpoint_url(endpoint.as_str());
        }
        Self {
            client: aws_sdk_sts::Client::from_conf(config.build()),
            role_arn: environment.role_arn.clone(),
            session_name: environment.session_name.clone(),
        }
    }
}

#[async_trait]
impl TokenExchange for SdkSts {
    async fn exchange(&self, token: &Zeroizing<String>) -> Result<Credentials, StsFault> {
        let answer = self
            .client
            .assume_role_with_web_identity()
            .role_arn(&self.role_arn)
            .role_session_name(&self.session_name)
            .web_identity_token(token.as_str())
            .send()
            .await
            .map_err(|error| fault(&error))?;
        let found = answer.credentials.ok_or(StsFault::Malformed("it has no credentials"))?;
        let expiry = std::time::SystemTime::try_from(found.expiration)
            .map_err(|_| StsFault::Malformed("its expiration is no time"))?;
        if found.access_key_id.is_empty()
            || found.secret_access_key.is_empty()
            || found.session_token.is_empty()
        {
            return Err(StsFault::Malformed("a part of the credentials is empty"));
        }
        Ok(Credentials::builder()
            .access_key_id(found.access_key_id)
            .secret_access_key(found.secret_access_key)
            .session_token(found.session_token)
            .expiry(expiry)
            .provider_name("mint-web-identity")
            .build())
    }
}

/// Tells the SDK's errors apart by the code that STS sent. Its message is left out: it may quote the token.
fn fault<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> StsFault {
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some("ExpiredTokenException" | "ExpiredToken") => StsFault::TokenExpired,
            Some("InvalidIdentityToken" | "InvalidIdentityTokenException") => StsFault::TokenInvalid,
            Some("IDPRejectedClaim" | "IDPRejectedClaimException") => StsFault::ClaimRejected,
            Some("IDPCommunicationError" | "IDPCommunicationErrorException") => StsFault::ProviderUnreachable,
            Some("AccessDenied" | "AccessDeniedException") => StsFault::AccessDenied,
            Some("PackedPolicyTooLarge" | "PackedPolicyTooLargeException") => StsFault::PackedPolicyTooLarge,
            Some(code) => StsFault::Refused(shown(code)),
            None => StsFault::Malformed("an error without a code"),
        },
        SdkError::TimeoutError(_) => StsFault::Unreachable("it took too long"),
        SdkError::DispatchFailure(_) => StsFault::Unreachable("the connection failed"),
        SdkError::ResponseError(_) => StsFault::Malformed("it is no answer of STS"),
        _ => StsFault::Refused("a request that could not be built".to_owned()),
    }
}

fn shown(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}
