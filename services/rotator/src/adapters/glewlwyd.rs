//! Driver `glewlwyd`: the admin API of Glewlwyd 2.7, as far as credentials go.
//!
//! Passwords overlap: a PUT adds one at the end of the user's list, and another one retires places by position. A client
//! has one secret: setting it ends the previous one at once. Mint makes both.
//!
//! A handle is the place that the password got. A retired place moves the later ones forward, so a handle is good until
//! its own end was answered: then it is the one password that is left. Any other number of passwords than these two
//! means that somebody else changed the list, and nothing is ended by a guess.

mod refresh;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, header};
use mint_issuer_contract::{
    ClientLogin, Declaration, Declared, Driver, Ends, Handle, Login, LoginVerdict, MadeBy, NewVersion,
    PublicVerdict, Recipe, Subject,
};
use mint_runtime::http::{HttpClient, HttpResponse};
use mint_runtime::secret_file::SecretFile;
use mint_secret::{SecretValue, Zeroizing};
use mint_types::{IssuerObject, OutboundUrl};
use serde_json::{Map, Value, json};

use super::service_user::accepted;
use super::token_endpoint::TokenEndpoint;
use crate::error::IssuerError;
use refresh::Sessions;

/// A user or a client is a few words and lists.
const LARGEST_ANSWER: usize = 256 * 1024;
/// A user has the version in use, its successor, and what lost answers left: more is somebody else's doing.
const MOST_PASSWORDS: usize = 32;

/// What the admin API is reached with.
#[derive(Debug)]
pub struct Access {
    /// The client.
    pub http: HttpClient,
    /// The API's base URL, for example `https://issuer.example/api`.
    pub base: OutboundUrl,
    /// File with the API key, read at every call.
    pub token: SecretFile,
    /// The OAuth plugin's name in URLs, where refresh tokens are.
    pub plugin: String,
    /// File with an administrator's `{"username", "password"}`: an API key can neither list nor end refresh tokens, so
    /// without it they run on until they expire.
    pub administrator: Option<SecretFile>,
    /// How long a call may take.
    pub deadline: Duration,
}

/// The admin API behind HTTP.
#[derive(Debug)]
pub struct Glewlwyd {
    access: Access,
    recipe: Recipe,
}

impl Glewlwyd {
    /// An API, and how Mint makes its secrets.
    pub fn new(access: Access, recipe: Recipe) -> Self {
        Self { access, recipe }
    }

    async fn user(&self, username: &str) -> Result<User, IssuerError> {
        let user = self.access.shown(&["user", username]).await?;
        let passwords =
            user.get("password").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        // without several passwords per user (`multiple_passwords`) there is no overlap, and no count
        let passwords = passwords.ok_or(IssuerError::Malformed("a user without its number of passwords"))?;
        Ok(User { shown: user, passwords })
    }

    /// Says what becomes of each place; everything else of the user stays as it was shown.
    async fn put_places(&self, username: &str, user: User, places: Vec<Value>) -> Result<(), IssuerError> {
        let mut body = Map::new();
        for kept in ["name", "email", "enabled", "scope"] {
            if let Some(value) = user.shown.get(kept) {
                body.insert(kept.to_owned(), value.clone());
            }
        }
        body.insert("password".to_owned(), places.into());
        self.access.change(&["user", username], body).await
    }
}

/// A user as the API shows it.
struct User {
    shown: Map<String, Value>,
    passwords: usize,
}

/// What an end has to do, by the number of passwords that the user has.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Retire the places before this one.
    Retire(usize),
    /// It was done before.
    Done,
}

/// The place is the last one before its end, and the only one after it.
fn end_of(place: usize, passwords: usize) -> Result<End, IssuerError> {
    match passwords {
        _ if passwords == place + 1 && place > 0 => Ok(End::Retire(place)),
        1 => Ok(End::Done),
        // nothing is known by this handle any more
        _ => Err(IssuerError::Refused { status: 409 }),
    }
}

#[async_trait]
impl Driver for Glewlwyd {
    fn declares(&self) -> Declaration {
        let declared = |ends, lists| Declared { ends, made_by: MadeBy::Mint(self.recipe.clone()), lists };
        Declaration {
            driver: "glewlwyd",
            user: declared(Ends::OwnCall, true),
            client: declared(Ends::Set, false),
        }
    }

    async fn create(
        &self,
        subject: Subject<'_>,
        value: Option<SecretValue>,
    ) -> Result<NewVersion, IssuerError> {
        let IssuerObject::User = subject.object else {
            return Err(IssuerError::Unsupported("a client of glewlwyd has one secret, which is set"));
        };
        let secret = value.ok_or(IssuerError::Unsupported("glewlwyd makes no passwords"))?;
        let user = self.user(subject.username).await?;
        let place = user.passwords;
        if place >= MOST_PASSWORDS {
            return Err(IssuerError::Refused { status: 409 });
        }
        let mut places = vec![json!(""); place];
        places.push(json!(secret.expose()));
        self.put_places(subject.username, user, places).await?;
        let handle =
            Handle::new(place.to_string()).ok_or(IssuerError::Malformed("a place without a number"))?;
        Ok(NewVersion { handle, client_id: None, secret })
    }

    async fn end(&self, subject: Subject<'_>, keep: &Handle) -> Result<(), IssuerError> {
        let IssuerObject::User = subject.object else {
            return Err(IssuerError::Unsupported("a client of glewlwyd has one secret, which is set"));
        };
        let unknown = IssuerError::Refused { status: 404 };
        let place: usize = keep.as_str().parse().map_err(|_| unknown.clone())?;
        if place >= MOST_PASSWORDS {
            return Err(unknown);
        }
        let user = self.user(subject.username).await?;
        if let End::Retire(place) = end_of(place, user.passwords)? {
            let mut places = vec![Value::Null; place];
            places.push(json!(""));
            self.put_places(subject.username, user, places).await?;
        }
        // what the ended passwords gave out lives on by itself
        Sessions::of(&self.access).end(subject.username).await
    }

    async fn set(&self, subject: Subject<'_>, value: &SecretValue) -> Result<(), IssuerError> {
        let IssuerObject::Client = subject.object else {
            return Err(IssuerError::Unsupported(
                "a user of glewlwyd has several passwords, which are added",
            ));
        };
        // a PUT forgets every property that it does not say
        let mut client = self.access.shown(&["client", subject.client_id]).await?;
        client.remove("source");
        client.insert("password".to_owned(), json!(value.expose()));
        client.insert("client_secret".to_owned(), json!(value.expose()));
        self.access.change(&["client", subject.client_id], client).await
    }

    async fn alive(&self, subject: Subject<'_>) -> Result<usize, IssuerError> {
        match subject.object {
            IssuerObject::User => Ok(self.user(subject.username).await?.passwords),
            IssuerObject::Client => Err(IssuerError::Unsupported("a client of glewlwyd has one secret")),
        }
    }
}

impl Access {
    /// Reads a user or a client.
    async fn shown(&self, path: &[&str]) -> Result<Map<String, Value>, IssuerError> {
        let response = self.send(Method::GET, path, Bytes::new()).await;
        let response = response.map_err(|error| match error {
            // a read has no effect, whatever became of it
            IssuerError::Unknown(problem) => IssuerError::NotSent(problem),
            other => other,
        })?;
        match serde_json::from_slice(&response.body) {
            Ok(Value::Object(shown)) => Ok(shown),
            _ => Err(IssuerError::Refused { status: response.status.as_u16() }),
        }
    }

    async fn change(&self, path: &[&str], body: Map<String, Value>) -> Result<(), IssuerError> {
        let body = Zeroizing::new(Value::Object(body).to_string().into_bytes());
        self.send(Method::PUT, path, Bytes::from_owner(body)).await.map(drop)
    }

    async fn send(&self, method: Method, path: &[&str], body: Bytes) -> Result<HttpResponse, IssuerError> {
        let own_access = |problem: String| IssuerError::OwnAccess(problem);
        let key = self.token.read().map_err(|error| own_access(error.to_string()))?;
        let mut key = http::HeaderValue::try_from(format!("token {}", key.as_str()))
            .map_err(|_| own_access("the API key cannot stand in a header".to_owned()))?;
        key.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(self.base.join(path).as_str())
            .header(header::AUTHORIZATION, key)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(body)
            .map_err(|error| own_access(error.to_string()))?;
        accepted(self.http.send(request, self.deadline, LARGEST_ANSWER).await)
    }
}

/// The token endpoint, and the admin API for the one question that the endpoint does not answer.
#[derive(Debug)]
pub struct GlewlwydLogin {
    endpoint: TokenEndpoint,
    access: Access,
}

impl GlewlwydLogin {
    /// Logins at an endpoint that speaks this issuer's dialect.
    pub fn new(endpoint: TokenEndpoint, access: Access) -> Self {
        Self { endpoint, access }
    }
}

#[async_trait]
impl Login for GlewlwydLogin {
    async fn password(&self, username: &str, password: &SecretValue) -> Result<LoginVerdict, IssuerError> {
        self.endpoint.password(username, password).await
    }

    async fn password_and_client(
        &self,
        username: &str,
        password: &SecretValue,
        client: ClientLogin<'_>,
    ) -> Result<LoginVerdict, IssuerError> {
        self.endpoint.password_and_client(username, password, client).await
    }

    async fn client(&self, client: ClientLogin<'_>) -> Result<LoginVerdict, IssuerError> {
        self.endpoint.client(client).await
    }

    /// The endpoint answers 403 to a public client and to a stranger alike.
    async fn public_client(&self, client_id: &str) -> Result<PublicVerdict, IssuerError> {
        let unknown = |problem: &str| Ok(PublicVerdict::Unknown(problem.to_owned()));
        match self.access.shown(&["client", client_id]).await {
            Ok(client) => match (client.get("enabled"), client.get("confidential")) {
                (Some(Value::Bool(true)), Some(Value::Bool(false))) => Ok(PublicVerdict::Known),
                (Some(Value::Bool(true)), _) => unknown("it is confidential"),
                _ => unknown("it is disabled"),
            },
            Err(IssuerError::Refused { status: 404 }) => unknown("it does not exist"),
            Err(error) => Err(error),
        }
    }

    async fn revoke(&self, token: &SecretValue, client: Option<ClientLogin<'_>>) -> Result<(), IssuerError> {
        self.endpoint.revoke(token, client).await
    }
}

#[cfg(test)]
mod real;
#[cfg(test)]
mod tests;
