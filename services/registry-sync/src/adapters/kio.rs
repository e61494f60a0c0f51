//! The driver `kio`: a registry over HTTP (COMPAT section 2).

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use mint_runtime::{
    http::{HttpClient, HttpError, HttpResponse},
    secret_file::SecretFile,
};
use mint_types::{ApplicationId, OutboundUrl, Timestamp};
use tokio::sync::Notify;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    Error,
    model::{Entry, Listing},
    parse,
    ports::{Source, SourceFault, SourceReason},
};

/// A list of a hundred thousand applications takes a registry some seconds.
const LIST_DEADLINE: Duration = Duration::from_secs(30);
const READ_DEADLINE: Duration = Duration::from_secs(10);
/// A hundred thousand applications of half a kilobyte.
const LARGEST_LIST: usize = 64 << 20;
const LARGEST_ENTRY: usize = 1 << 20;

/// A Kio registry.
#[derive(Debug)]
pub struct Kio {
    client: HttpClient,
    url: OutboundUrl,
    token: SecretFile,
    bell: Arc<Notify>,
}

impl Kio {
    /// At a URL, with the bearer token in a file that is read for each call.
    pub fn open(url: OutboundUrl, token_file: &Path, ca_file: Option<&Path>) -> Result<Self, Error> {
        let client = match ca_file {
            Some(ca_file) => HttpClient::with_ca(ca_file)?,
            None => HttpClient::new(),
        };
        Ok(Self { client, url, token: SecretFile::new(token_file), bell: Arc::default() })
    }

    async fn fetch(&self, url: Url, deadline: Duration, limit: usize) -> Result<HttpResponse, SourceFault> {
        let token = self.token.read().map_err(|error| unreachable(error.to_string()))?;
        let bearer = Zeroizing::new(format!("Bearer {}", *token));
        let mut authorization = header::HeaderValue::from_str(&bearer)
            .map_err(|_| unreachable("the token is not fit for a header".to_owned()))?;
        authorization.set_sensitive(true);
        let request = Request::get(url.as_str())
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|_| unreachable("the request cannot be made".to_owned()))?;
        self.client.send(request, deadline, limit).await.map_err(|error| match error {
            HttpError::TooLarge { .. } => SourceFault::new(SourceReason::Malformed, error.to_string()),
            other => unreachable(other.to_string()),
        })
    }

    async fn fetch_list(&self, url: Url) -> Result<Listing, SourceFault> {
        let answer = self.fetch(url, LIST_DEADLINE, LARGEST_LIST).await?;
        expect_ok(answer.status)?;
        parse::list(&answer.body)
    }
}

#[async_trait]
impl Source for Kio {
    fn driver(&self) -> &'static str {
        "kio"
    }

    fn location(&self) -> String {
        self.url.as_str().to_owned()
    }

    async fn list(&self) -> Result<Listing, SourceFault> {
        self.fetch_list(self.url.join(&["apps"])).await
    }

    async fn changed_after(&self, since: Timestamp) -> Result<Option<Listing>, SourceFault> {
        let mut url = self.url.join(&["apps"]);
        url.query_pairs_mut().append_pair("modified_after", &since.to_string());
        self.fetch_list(url).await.map(Some)
    }

    async fn read(&self, id: &ApplicationId) -> Result<Option<Entry>, SourceFault> {
        let answer = self.fetch(self.url.join(&["apps", id.as_str()]), READ_DEADLINE, LARGEST_ENTRY).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        expect_ok(answer.status)?;
        parse::single(&answer.body, id).map(Some)
    }

    fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }
}

fn expect_ok(status: StatusCode) -> Result<(), SourceFault> {
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(unreachable(format!("the registry answered {}: the token is refused", status.as_u16())))
        }
        other => Err(unreachable(format!("the registry answered {}", other.as_u16()))),
    }
}

fn unreachable(detail: String) -> SourceFault {
    SourceFault::new(SourceReason::Unreachable, detail)
}

#[cfg(test)]
#[path = "kio_tests.rs"]
mod tests;
