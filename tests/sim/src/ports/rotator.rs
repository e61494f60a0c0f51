//! What the rotator sees.

use std::time::Duration;

use async_trait::async_trait;
use mint_api::audit_log::Announced;
use mint_issuer_contract::{
    ClientIds, Declaration, Declared, Ends, Handle, LateEnd, MadeBy, NewVersion, Recipe, Subject,
};
use mint_rotator::ports::{
    Catalog, ClientLogin, DistributorKeys, Issuer, Login, LoginVerdict, PublicVerdict,
};
use mint_rotator::{Delivered, Error, IssuerError, WrittenSomewhere};
use mint_secret::{PublishedKey, SecretValue};
use mint_types::{Application, ApplicationId, IssuerObject, Revision};

use super::issuer::Trouble;
use super::{NoRecord, outage};
use crate::faults::{LOGIN, MAKE, SET};
use crate::outside::{Denied, End, Manner, Moment, PREFIX, Usable};
use crate::scene::{Life, State};

const SERVICE: &str = "rotator";

/// The outside of one rotator.
#[derive(Debug, Clone)]
pub(crate) struct RotatorWorld(pub(crate) Life);

fn error_of(trouble: Trouble) -> IssuerError {
    match trouble {
        Trouble::NotSent => IssuerError::NotSent("injected".to_owned()),
        Trouble::Denied(status) => IssuerError::Refused { status },
        Trouble::RateLimited(retry_after) => IssuerError::RateLimited { retry_after },
        Trouble::Unknown | Trouble::LoginRefused => IssuerError::Unknown("injected".to_owned()),
        Trouble::Rubbish => IssuerError::Malformed("injected"),
    }
}

fn application_of(username: &str) -> String {
    username.strip_prefix(PREFIX).unwrap_or(username).to_owned()
}

impl RotatorWorld {
    fn says(&self, announced: &Announced) {
        self.0.scene.locked().acts(announced.leaf_index(), announced.act(), SERVICE);
    }

    /// Logs in; an ended credential is refused with this code.
    async fn log_in(
        &self,
        username: &str,
        held: Usable,
        code: &'static str,
    ) -> Result<LoginVerdict, IssuerError> {
        let username = username.to_owned();
        let answer = self
            .0
            .at_issuer("login", LOGIN, None, move |state: &mut State| {
                let now = state.time.now();
                let (user, client) = state.issuer.accepts(&username, &held, now);
                Ok(user && client)
            })
            .await;
        match answer {
            Ok(true) => Ok(LoginVerdict::Accepted(SecretValue::new("a-token".to_owned()))),
            Ok(false) | Err(Trouble::LoginRefused) => Ok(LoginVerdict::Refused(code.to_owned())),
            Err(trouble) => Err(error_of(trouble)),
        }
    }
}

#[async_trait]
impl Issuer for RotatorWorld {
    async fn create(
        &self,
        announced: &Announced,
        subject: Subject<'_>,
        value: Option<SecretValue>,
    ) -> Result<NewVersion, IssuerError> {
        self.says(announced);
        let (user, on) = (subject.username.to_owned(), Some((subject.username, subject.object)));
        let (handle, client_id, secret) = match subject.object {
            IssuerObject::User => {
                let value = value.map(|value| value.expose().to_owned());
                let act = move |state: &mut State| state.issuer.create_password(&user, value.clone());
                let made = self.0.at_issuer("create password", MAKE, on, act).await.map_err(error_of)?;
                (made.0, None, made.1)
            }
            IssuerObject::Client => {
                let act = move |state: &mut State| state.issuer.create_client(&user);
                let made = self.0.at_issuer("create client", MAKE, on, act).await.map_err(error_of)?;
                (made.0, Some(made.1), made.2)
            }
        };
        let handle = Handle::new(handle).ok_or(IssuerError::Malformed("an empty handle"))?;
        Ok(NewVersion { handle, client_id, secret: SecretValue::new(secret) })
    }

    async fn end(
        &self,
        announced: &Announced,
        _delivered: &Delivered,
        subject: Subject<'_>,
        keep: &Handle,
    ) -> Result<(), IssuerError> {
        self.says(announced);
        let (user, handle, life) = (subject.username.to_owned(), keep.to_string(), self.0.clone());
        let grace = self.0.scene.numbers.grace;
        let object = subject.object;
        let end = match object {
            IssuerObject::User => self.0.scene.locked().issuer.end_of(&user, &handle),
            IssuerObject::Client => Ok(End::Commit(handle.clone())),
        };
        let end = end.map_err(|denied| IssuerError::Refused { status: denied.0 })?;
        let act = move |state: &mut State| {
            let application = application_of(&user);
            state.log_in_as(&application, Moment::BeforeEnd);
            let now = state.time.now();
            let done = match object {
                IssuerObject::User => state.issuer.end_passwords(&user, &end, now, grace),
                IssuerObject::Client => state.issuer.commit_client(&user, &handle),
            };
            state.log_in_as(&application, Moment::Ended);
            life.look_again(application, grace, Moment::GracePassed);
            done
        };
        let on = Some((subject.username, subject.object));
        // one by place, or of all others, that comes again after it was answered ends what nobody waits for any more: not
        // survived, and nobody sends an answered request twice behind TLS. One that was not answered comes late, which is
        // waited for
        let manner = self.0.scene.locked().issuer.manner;
        let late_end = declaration(manner, grace).of(object).late_end;
        let kinds = if late_end == LateEnd::Harmless { SET } else { MAKE };
        self.0.at_issuer("commit", kinds, on, act).await.map_err(error_of)
    }

    async fn set(
        &self,
        announced: &Announced,
        _written: &WrittenSomewhere,
        subject: Subject<'_>,
        value: &SecretValue,
    ) -> Result<(), IssuerError> {
        self.says(announced);
        let (user, value) = (subject.username.to_owned(), value.expose().to_owned());
        let act = move |state: &mut State| {
            let application = application_of(&user);
            state.log_in_as(&application, Moment::BeforeEnd);
            let done = state.issuer.set_secret(&user, value.clone());
            state.log_in_as(&application, Moment::Ended);
            done
        };
        let on = Some((subject.username, subject.object));
        self.0.at_issuer("set", SET, on, act).await.map_err(error_of)
    }

    async fn knows(&self, subject: Subject<'_>) -> Result<bool, IssuerError> {
        Ok(self.0.scene.locked().issuer.users.contains_key(subject.username))
    }

    async fn alive(&self, _subject: Subject<'_>) -> Result<usize, IssuerError> {
        Err(IssuerError::Unsupported("nobody lists here"))
    }
}

/// What an issuer says about itself.
pub(crate) fn declaration(manner: Manner, grace: Duration) -> Declaration {
    let (user, client, made_by) = match manner {
        Manner::ServiceUser => (Ends::Commit { grace }, Ends::CommitAtOnce, MadeBy::Issuer),
        Manner::Glewlwyd => (Ends::OwnCall, Ends::Set, MadeBy::Mint(Recipe::default())),
    };
    let declared = |ends| {
        let by_age = matches!(ends, Ends::Commit { .. });
        let late_end = if by_age { LateEnd::Harmless } else { LateEnd::MayEndNewer };
        Declared { ends, late_end, made_by: made_by.clone(), lists: false }
    };
    // this world's issuer finds clients by their user, whatever it is
    let client_ids = ClientIds::Answered;
    Declaration { driver: manner.as_str(), client_ids, user: declared(user), client: declared(client) }
}

#[async_trait]
impl Login for RotatorWorld {
    async fn password(&self, username: &str, password: &SecretValue) -> Result<LoginVerdict, IssuerError> {
        let user = Some((username.to_owned(), password.expose().to_owned()));
        self.log_in(username, Usable { user, client: None }, "invalid_grant").await
    }

    async fn password_and_client(
        &self,
        username: &str,
        password: &SecretValue,
        client: ClientLogin<'_>,
    ) -> Result<LoginVerdict, IssuerError> {
        let user = Some((username.to_owned(), password.expose().to_owned()));
        let client = Some((client.id.to_owned(), Some(client.secret.expose().to_owned())));
        self.log_in(username, Usable { user, client }, "invalid_grant").await
    }

    async fn client(&self, client: ClientLogin<'_>) -> Result<LoginVerdict, IssuerError> {
        let username = self.0.scene.locked().issuer.owner_of_client(client.id);
        let client = Some((client.id.to_owned(), Some(client.secret.expose().to_owned())));
        self.log_in(&username, Usable { user: None, client }, "invalid_client").await
    }

    async fn public_client(&self, client_id: &str) -> Result<PublicVerdict, IssuerError> {
        let id = client_id.to_owned();
        let known = move |state: &mut State| -> Result<bool, Denied> {
            Ok(state.issuer.users.values().any(|user| !user.confidential && user.client_id == id))
        };
        match self.0.at_issuer("login", LOGIN, None, known).await {
            Ok(true) => Ok(PublicVerdict::Known),
            Ok(false) | Err(Trouble::LoginRefused) => Ok(PublicVerdict::Unknown("invalid_client".to_owned())),
            Err(trouble) => Err(error_of(trouble)),
        }
    }

    async fn revoke(
        &self,
        _token: &SecretValue,
        _client: Option<ClientLogin<'_>>,
    ) -> Result<(), IssuerError> {
        Ok(())
    }
}

#[async_trait]
impl Catalog for RotatorWorld {
    async fn application(&self, id: &ApplicationId, at_least: Revision) -> Result<Application, Error> {
        let found = self.0.record(id, at_least).await;
        found.map_err(|why| match why {
            NoRecord::Outage | NoRecord::Behind => Error::CatalogUnavailable(outage()),
            NoRecord::Unknown => Error::Catalog(outage()),
        })
    }
}

#[async_trait]
impl DistributorKeys for RotatorWorld {
    async fn list(&self) -> Result<Vec<PublishedKey>, Error> {
        if self.0.reads("distributor.keys").await {
            return Ok(self.0.scene.published.clone());
        }
        Err(Error::KeysUnavailable("injected".to_owned()))
    }
}
