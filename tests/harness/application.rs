//! An application as its owner would run it: with the environment that Mint gave it and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use base64::Engine as _;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;

use crate::client;

/// `DIR/applications/<id>/env`, read.
#[derive(Debug, Clone)]
pub struct Environment(pub BTreeMap<String, String>);

impl Environment {
    /// Reads lines `export NAME='value'`.
    ///
    /// # Panics
    /// If the file is missing or has any other line.
    pub fn read(file: &Path) -> Self {
        let text =
            std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut variables = BTreeMap::new();
        for line in text.lines() {
            let parts = line.strip_prefix("export ").and_then(|rest| rest.split_once('='));
            let (name, quoted) = parts.unwrap_or_else(|| panic!("{}: {line}", file.display()));
            let value = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            variables
                .insert(name.to_owned(), value.unwrap_or_else(|| panic!("not quoted: {line}")).to_owned());
        }
        Self(variables)
    }

    /// A variable that must be there.
    ///
    /// # Panics
    /// If it is not.
    pub fn required(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is not in the environment"))
    }

    /// A variable that may be missing.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Temporary credentials of a role, by web identity.
///
/// # Errors
/// The service's error code and message.
pub async fn assume(
    sts_endpoint: &str,
    region: &str,
    role_arn: &str,
    session: &str,
    token: &str,
) -> Result<Credentials, String> {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(sts_endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let answer = aws_sdk_sts::Client::from_conf(config)
        .assume_role_with_web_identity()
        .role_arn(role_arn)
        .role_session_name(session)
        .web_identity_token(token)
        .send()
        .await
        .map_err(|error| format!("{:?}", error.into_service_error()))?;
    let given = answer.credentials().ok_or("no credentials in the answer")?;
    Ok(Credentials::new(
        given.access_key_id(),
        given.secret_access_key(),
        Some(given.session_token().to_owned()),
        None,
        "web-identity",
    ))
}

/// An S3 client, path style, without retries.
pub fn s3(endpoint: &str, region: &str, credentials: Credentials) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(credentials)
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// What a login sends, as an application found it.
#[derive(Clone)]
pub struct Login {
    /// `application_username`.
    pub username: String,
    /// `application_password`.
    pub password: String,
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`; empty for a public client.
    pub client_secret: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// From the objects of an application's directory, by name.
    ///
    /// # Errors
    /// Which object or field is missing.
    pub fn from_objects(objects: &BTreeMap<String, Value>) -> Result<Self, String> {
        let merged: serde_json::Map<String, Value> = objects
            .values()
            .filter_map(Value::as_object)
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let text = |field: &str| {
            merged
                .get(field)
                .and_then(Value::as_str)
                .map(ToOwned::to_owned)
                .ok_or(format!("{field} is missing"))
        };
        let client_secret = match merged.get("client_secret") {
            Some(Value::Null) => String::new(),
            Some(Value::String(secret)) => secret.clone(),
            other => {
                return Err(format!(
                    "client_secret is {}",
                    if other.is_some() { "no string" } else { "missing" }
                ));
            }
        };
        Ok(Self {
            username: text("application_username")?,
            password: text("application_password")?,
            client_id: text("client_id")?,
            client_secret,
        })
    }

    /// The call of COMPAT section 1; answers the access token.
    ///
    /// # Errors
    /// The status and body of a refusal, or what kept the answer away.
    pub async fn token(&self, token_url: &str) -> Result<String, String> {
        self.token_for(token_url, "cn uid").await
    }

    /// The same for other scopes, with spaces between them.
    ///
    /// # Errors
    /// The status and body of a refusal, or what kept the answer away.
    pub async fn token_for(&self, token_url: &str, scopes: &str) -> Result<String, String> {
        let basic = base64::engine::general_purpose::STANDARD
            .encode(format!("{}:{}", self.client_id, self.client_secret));
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "password")
            .append_pair("username", &self.username)
            .append_pair("password", &self.password)
            .append_pair("scope", scopes)
            .finish();
        let request = Request::post(token_url)
            .header("authorization", format!("Basic {basic}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .map_err(|error| error.to_string())?;
        let answer = client::send(request).await?;
        if answer.status != StatusCode::OK {
            return Err(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)));
        }
        answer.json()["access_token"].as_str().map(ToOwned::to_owned).ok_or("no access_token".to_owned())
    }
}

/// A running application: its environment and its S3 session.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its id.
    pub id: String,
    /// Its environment.
    pub environment: Environment,
    s3: aws_sdk_s3::Client,
}

impl Application {
    /// Takes the environment below `data` and assumes its role.
    ///
    /// # Panics
    /// If the environment is incomplete or STS refuses.
    pub async fn open(data: &Path, id: &str) -> Self {
        let environment = Environment::read(&data.join("applications").join(id).join("env"));
        let token =
            std::fs::read_to_string(environment.required("AWS_WEB_IDENTITY_TOKEN_FILE")).expect("token file");
        let credentials = assume(
            environment.required("AWS_ENDPOINT_URL_STS"),
            environment.required("AWS_REGION"),
            environment.required("AWS_ROLE_ARN"),
            environment.required("AWS_ROLE_SESSION_NAME"),
            &token,
        )
        .await
        .unwrap_or_else(|error| panic!("{id}: {error}"));
        let s3 =
            s3(environment.required("AWS_ENDPOINT_URL_S3"), environment.required("AWS_REGION"), credentials);
        Self { id: id.to_owned(), environment, s3 }
    }

    /// Its S3 client.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.s3
    }

    /// The names of its objects, by its layout.
    pub fn object_names(&self) -> &'static [&'static str] {
        match self.environment.required("MINT_LAYOUT") {
            "combined" => &["credentials.json"],
            _ => &["user.json", "client.json"],
        }
    }

    /// The key of one of its objects.
    pub fn key(&self, object: &str) -> String {
        let prefix =
            self.environment.optional("MINT_PREFIX").map(|prefix| format!("{prefix}/")).unwrap_or_default();
        format!("{prefix}{}/{object}", self.id)
    }

    /// Fetches one object.
    ///
    /// # Errors
    /// The store's error.
    pub async fn fetch(&self, object: &str) -> Result<Value, String> {
        self.fetch_from(self.environment.required("MINT_BUCKET"), object).await
    }

    /// Fetches one object from another of its buckets.
    ///
    /// # Errors
    /// The store's error.
    pub async fn fetch_from(&self, bucket: &str, object: &str) -> Result<Value, String> {
        let answer = self
            .s3
            .get_object()
            .bucket(bucket)
            .key(self.key(object))
            .send()
            .await
            .map_err(|error| format!("{:?}", error.into_service_error()))?;
        let bytes = answer.body.collect().await.map_err(|error| error.to_string())?.into_bytes();
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }

    /// Fetches all its objects and makes of them what a login needs.
    ///
    /// # Errors
    /// The first trouble.
    pub async fn login(&self) -> Result<Login, String> {
        self.login_from(self.environment.required("MINT_BUCKET")).await
    }

    /// The same from another of its buckets.
    ///
    /// # Errors
    /// The first trouble.
    pub async fn login_from(&self, bucket: &str) -> Result<Login, String> {
        let mut objects = BTreeMap::new();
        for object in self.object_names() {
            objects.insert((*object).to_owned(), self.fetch_from(bucket, object).await?);
        }
        Login::from_objects(&objects)
    }
}

/// Waits until a condition holds, looking every 100 ms.
///
/// # Panics
/// If it does not within `deadline`; `what` says what was waited for.
pub async fn eventually<F, Fut, T>(what: &str, deadline: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let waited = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(deadline, waited).await.unwrap_or_else(|_| panic!("not within {deadline:?}: {what}"))
}
