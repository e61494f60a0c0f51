//! S3: presigned by the SDK, sent once by a plain client.
//!
//! The SDK only signs: its orchestrator would retry, follow regions, and keep the request for its logs.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::Region;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::ServerSideEncryption;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use mint_api::audit_log::Announced;
use mint_aws::Session;
use mint_runtime::http::HttpClient;
use mint_types::{Destination, OutboundUrl, Timestamp};

use crate::answer::{error_code, judge, no_credentials, unknown, unreachable, unusable};
use crate::ports::{Body, ObjectStore, PutAnswer, SignedPut, Trouble};

/// S3's error documents are a few hundred bytes.
const LONGEST_ANSWER: usize = 16 * 1024;
/// COMPAT section 1.
const CONTENT_TYPE: &str = "application/json";

/// The adapter.
#[derive(Debug)]
pub struct S3 {
    session: Session,
    http: HttpClient,
    default_endpoint: Option<OutboundUrl>,
    default_region: String,
    put_expiry: Duration,
    deadline: Duration,
}

impl S3 {
    /// With a session's credentials; endpoint and region are for buckets that name none.
    pub fn new(
        session: Session,
        http: HttpClient,
        default_endpoint: Option<OutboundUrl>,
        default_region: String,
        put_expiry: Duration,
        deadline: Duration,
    ) -> Self {
        Self { session, http, default_endpoint, default_region, put_expiry, deadline }
    }

    fn endpoint<'a>(&'a self, destination: &'a Destination) -> Option<&'a OutboundUrl> {
        destination.bucket.endpoint.as_ref().or(self.default_endpoint.as_ref())
    }

    fn client(&self, destination: &Destination, credentials: mint_aws::Credentials) -> aws_sdk_s3::Client {
        let bucket = &destination.bucket;
        let region = bucket.region.clone().unwrap_or_else(|| self.default_region.clone());
        let mut config = Builder::from(&self.session.sdk_config())
            .region(Region::new(region))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::disabled())
            // Content-MD5 is signed instead: every S3-like store knows it
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        if let Some(endpoint) = self.endpoint(destination) {
            config = config.endpoint_url(endpoint.as_str()).force_path_style(true);
        }
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

#[async_trait]
impl ObjectStore for S3 {
    async fn sign(
        &self,
        destination: &Destination,
        body: &Body,
        at: Timestamp,
    ) -> Result<SignedPut, Trouble> {
        // without it a bucket of the same name may be a stranger's
        let Some(owner) = destination.account_id.as_ref() else {
            return Err(unusable("the settings name no account: every write names the bucket's owner"));
        };
        if self.endpoint(destination).is_some_and(has_path) {
            return Err(unusable(
                "the bucket's endpoint has a path, which would stand before the bucket's name",
            ));
        }
        let credentials =
            self.session.credentials().await.map_err(|error| no_credentials(error.to_string()))?;
        let presigning = PresigningConfig::builder()
            .start_time(system_time(at))
            .expires_in(self.put_expiry)
            .build()
            .map_err(|_| unusable("the signature cannot expire then"))?;
        let bucket = &destination.bucket;
        let kms = bucket.kms_key_id.clone();
        let signed = self
            .client(destination, credentials)
            .put_object()
            .bucket(bucket.name.as_str())
            .key(&destination.key)
            .content_type(CONTENT_TYPE)
            .content_md5(STANDARD.encode(body.md5()))
            .expected_bucket_owner(owner.as_str())
            .set_server_side_encryption(kms.is_some().then_some(ServerSideEncryption::AwsKms))
            .set_ssekms_key_id(kms.clone())
            .presigned(presigning)
            .await
            // the SDK's text may quote the request; what it refuses here is the endpoint or the region
            .map_err(|_| unusable("no request can be made from the bucket's region, endpoint and key"))?;
        let mut headers = HeaderMap::new();
        for (name, value) in signed.headers() {
            let header = HeaderName::try_from(name).ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) = header.ok_or_else(|| unusable("a setting cannot stand in a header"))?;
            headers.append(name, value);
        }
        Ok(SignedPut { url: signed.uri().to_owned(), headers, has_opaque_etag: kms.is_some() })
    }

    async fn put_object(&self, put: SignedPut, body: &Body, _announced: &Announced) -> PutAnswer {
        let request = Request::builder().method(Method::PUT).uri(put.url).body(body.expose());
        let Ok(mut request) = request else {
            return PutAnswer::Refused(unusable("the bucket's endpoint makes no URL"));
        };
        request.headers_mut().extend(put.headers);
        match self.http.send(request, self.deadline, LONGEST_ANSWER).await {
            Ok(answer) => {
                self.forget_expired(&answer.body);
                judge(answer.status, &answer.headers, &answer.body, body.md5(), put.has_opaque_etag)
            }
            Err(error) if error.surely_not_sent() => {
                PutAnswer::Refused(unreachable(format!("nothing could be sent: {error}")))
            }
            Err(error) => PutAnswer::Unknown(unknown(format!("no answer: {error}"), None)),
        }
    }
}

impl S3 {
    fn forget_expired(&self, body: &[u8]) {
        if matches!(error_code(body).as_deref(), Some("ExpiredToken" | "InvalidToken" | "InvalidAccessKeyId"))
        {
            self.session.forget();
        }
    }
}

/// With one, the request would go to another bucket than the one that is pinned, signed for and in the audit log.
fn has_path(endpoint: &OutboundUrl) -> bool {
    endpoint.as_url().path() != "/" || endpoint.as_url().query().is_some()
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + at.since(Timestamp::from_unix_micros(0))
}

#[cfg(test)]
#[path = "s3_tests.rs"]
mod tests;
