//! Driver `glewlwyd`: the admin API of Glewlwyd 2.7, as far as credentials go.
//!
//! Passwords overlap: a PUT adds one at the end of the user's list, and another one retires places by position. A client
//! has one secret: setting it ends the previous one at once. Mint makes both.
//!
//! A handle is the place that the password got. A retired place moves the later ones forward, so a handle is good until
//! its own end was answered: then it is the one password that is left. Any other number of passwords than these two
//! means that somebody else changed the list, and nothing is ended by a guess. A change of the list that takes effect late
//! changes whatever is in these places by then, even the one password that is left: it is declared so.
//!
//! A PUT says nothing but what it changes. What it does not say stays (name, mail, scopes, whether it is enabled; of a
//! client all but its properties, which are said as they were read), so one that lands late can neither enable again what
//! somebody disabled meanwhile nor give scopes back: tried with the real server, and checked whenever the contract is.

mod refresh;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, header};
use mint_issuer_contract::{
    ClientIds, ClientLogin, Declaration, Declared, Driver, Ends, Handle, LateEnd, Login, LoginVerdict,
    MadeBy, NewVersion, PublicVerdict, Recipe, Subject,
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

/// What a client's PUT need not say: these stay.
const STAYS: [&str; 7] = ["client_id", "source", "name", "description", "enabled", "confidential", "scope"];

/// A secret that goes before the password, and that the server shows to whoever reads the client. It is forgotten: the
/// server keeps a hash of the password, and nobody can read that.
const READABLE: &str = "client_secret";

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

    /// How many passwords a user has.
    async fn passwords(&self, username: &str) -> Result<usize, IssuerError> {
        let user = self.access.shown(&["user", username]).await?;
        let passwords =
            user.get("password").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        // without several passwords per user (`multiple_passwords`) there is no overlap, and no count
        passwords.ok_or(IssuerError::Malformed("a user without its number of passwords"))
    }

    /// Says what becomes of each place; everything else of the user stays as it is.
    async fn put_places(&self, username: &str, places: Vec<Value>) -> Result<(), IssuerError> {
        let body = Map::from_iter([("password".to_owned(), places.into())]);
        self.access.change(&["user", username], body).await
    }
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
        let declared = |ends, lists| Declared {
            ends,
            late_end: LateEnd::MayEndNewer,
            made_by: MadeBy::Mint(self.recipe.clone()),
            lists,
        };
        Declaration {
            driver: "glewlwyd",
            client_ids: ClientIds::Username,
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
        let place = self.passwords(subject.username).await?;
        if place >= MOST_PASSWORDS {
            return Err(IssuerError::Refused { status: 409 });
        }
        let mut places = vec![json!(""); place];
        places.push(json!(secret.expose()));
        self.put_places(subject.username, places).await?;
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
        let passwords = self.passwords(subject.username).await?;
        if let End::Retire(place) = end_of(place, passwords)? {
            let mut places = vec![Value::Null; place];
            places.push(json!(""));
            self.put_places(subject.username, places).await?;
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
        if subject.client_id != subject.username {
            return Err(IssuerError::Unsupported(
                "a client of glewlwyd has its user's name, and this is another's",
            ));
        }
        // a PUT forgets every property that it does not say, and keeps all else
        let mut client = self.access.shown(&["client", subject.client_id]).await?;
        client.retain(|name, _| !STAYS.contains(&name.as_str()) && name != READABLE);
        client.insert("password".to_owned(), json!(value.expose()));
        self.access.change(&["client", subject.client_id], client).await
    }

    async fn knows(&self, subject: Subject<'_>) -> Result<bool, IssuerError> {
        match self.access.shown(&["user", subject.username]).await {
            Ok(user) if user.get("username").and_then(Value::as_str) == Some(subject.username) => Ok(true),
            Ok(_) => Err(IssuerError::Malformed("it is not about this user")),
            Err(IssuerError::Refused { status: 404 }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn alive(&self, subject: Subject<'_>) -> Result<usize, IssuerError> {
        match subject.object {
            IssuerObject::User => self.passwords(subject.username).await,
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
