//! Where everything of a running world answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// `DIR/endpoints.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// The OAuth 2.0 token endpoint.
    pub token_url: String,
    /// The Kio API.
    pub kio_url: String,
    /// The service-user API.
    pub service_user_url: String,
    /// S3, path style.
    pub s3_endpoint: String,
    /// Its region.
    pub s3_region: String,
    /// STS.
    pub sts_endpoint: String,
    /// The credential broker's calls over HTTP.
    pub broker_url: String,
    /// Calls and faults.
    pub sandbox_url: String,
    /// The CA.
    pub ca: PathBuf,
    /// An operator's certificate.
    pub operator_cert: PathBuf,
    /// Its key.
    pub operator_key: PathBuf,
    /// The gRPC services.
    pub services: BTreeMap<String, String>,
}
