//! The issuer in memory, with the rules of COMPAT section 3.

use async_trait::async_trait;
use mint_issuer_contract::{
    ClientIds, Declaration, Declared, Driver, Ends, Handle, LateEnd, MadeBy, NewVersion, Subject,
};
use mint_secret::SecretValue;
use mint_types::{ApplicationId, Clock as _, IssuerObject, Timestamp};

use super::{Course, Inner, PASSWORD_GRACE, World};
use crate::error::IssuerError;

#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) passwords: Vec<Password>,
    pub(super) clients: Vec<Client>,
    pub(super) revoked: usize,
}

#[derive(Debug)]
pub(super) struct Password {
    pub(super) txid: String,
    pub(super) plaintext: String,
    pub(super) valid_until: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) txid: String,
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) ended: bool,
}

impl World {
    /// Whether a password, a client, or both open the door now.
    pub(crate) fn opens(
        &self,
        application: &ApplicationId,
        password: Option<&str>,
        client: Option<(&str, &str)>,
    ) -> bool {
        let (now, inner) = (self.clock.now(), self.locked());
        password.is_none_or(|password| opens_password(&inner, &format!("stups_{application}"), password, now))
            && client.is_none_or(|(id, secret)| opens_client(&inner, id, secret))
    }

    /// How many passwords of an application open the door now.
    pub(crate) fn live_passwords(&self, application: &ApplicationId) -> usize {
        let now = self.clock.now();
        let inner = self.locked();
        inner.users[&format!("stups_{application}")]
            .passwords
            .iter()
            .filter(|password| password.lives(now))
            .count()
    }

    /// How many clients of an application open the door now.
    pub(crate) fn live_clients(&self, application: &ApplicationId) -> usize {
        let inner = self.locked();
        inner.users[&format!("stups_{application}")].clients.iter().filter(|client| !client.ended).count()
    }

    /// Somebody deletes the user by hand, with everything that it has.
    pub(crate) fn delete_by_hand(&self, application: &ApplicationId) {
        self.locked().users.remove(&format!("stups_{application}"));
    }

    /// The user is made again, and has nothing of what it had.
    pub(crate) fn make_again(&self, application: &ApplicationId) {
        self.locked().users.insert(format!("stups_{application}"), User::default());
    }

    /// How many tokens of an application were revoked.
    pub(crate) fn revoked(&self, application: &ApplicationId) -> usize {
        self.locked().users[&format!("stups_{application}")].revoked
    }

    /// Every plaintext that the issuer ever made.
    pub(crate) fn plaintexts(&self) -> Vec<String> {
        let inner = self.locked();
        let of_user = |user: &User| {
            let passwords = user.passwords.iter().map(|password| password.plaintext.clone());
            passwords.chain(user.clients.iter().map(|client| client.secret.clone())).collect::<Vec<_>>()
        };
        inner.users.values().flat_map(of_user).collect()
    }

    pub(super) async fn issuer_call<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut Inner, Timestamp) -> Result<T, IssuerError> + Send,
    ) -> Result<T, IssuerError>
    where
        T: Send,
    {
        let course = self.course(call).await;
        if matches!(course, Course::Refused) {
            return Err(IssuerError::NotSent("injected".to_owned()));
        }
        let now = self.clock.now();
        let answer = act(&mut self.locked(), now);
        match course {
            Course::Normal | Course::Refused => answer,
            Course::Unanswered => Err(IssuerError::Unknown("injected".to_owned())),
            Course::DiesAfter => self.die().await,
        }
    }
}

impl Password {
    fn lives(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|until| until > now)
    }
}

pub(super) fn opens_password(inner: &Inner, username: &str, password: &str, now: Timestamp) -> bool {
    let user = inner.users.get(username);
    user.is_some_and(|user| {
        user.passwords.iter().any(|known| known.plaintext == password && known.lives(now))
    })
}

pub(super) fn opens_client(inner: &Inner, id: &str, secret: &str) -> bool {
    let mut clients = inner.users.values().flat_map(|user| &user.clients);
    clients.any(|client| client.id == id && client.secret == secret && !client.ended)
}

const UNKNOWN_USER: IssuerError = IssuerError::Refused { status: 404 };

fn fresh_secret(inner: &mut Inner, object: IssuerObject) -> String {
    inner.made += 1;
    let mark = if object == IssuerObject::User { "pw" } else { "cs" };
    format!("mint-canary-{mark}-{:08}", inner.made)
}

/// Ends what is older than the version of a handle; that a newer one is there is no error of the caller.
fn end_older(inner: &mut Inner, username: &str, keep: &str, at: Timestamp) -> Result<(), IssuerError> {
    let user = inner.users.get_mut(username).ok_or(UNKNOWN_USER)?;
    let index = user.passwords.iter().position(|password| password.txid == keep).ok_or(UNKNOWN_USER)?;
    for older in user.passwords[..index].iter_mut().filter(|password| password.valid_until.is_none()) {
        older.valid_until = Some(at);
    }
    Ok(())
}

#[async_trait]
impl Driver for World {
    fn declares(&self) -> Declaration {
        self.locked().declaration.clone().unwrap_or_else(service_user)
    }

    async fn create(
        &self,
        subject: Subject<'_>,
        value: Option<SecretValue>,
    ) -> Result<NewVersion, IssuerError> {
        let (object, declared) = (subject.object, self.declares());
        let call = if object == IssuerObject::User { "create_password" } else { "create_client" };
        self.issuer_call(call, |inner, now| {
            let issued = fresh_secret(inner, object);
            let plaintext = value.map_or(issued, |value| value.expose().to_owned());
            let (txid, id) = (format!("tx-{}", inner.made), format!("client-{}", inner.made));
            if let Ends::Create { grace } = declared.of(object).ends {
                let user = inner.users.get_mut(subject.username).ok_or(UNKNOWN_USER)?;
                for older in user.passwords.iter_mut().filter(|password| password.valid_until.is_none()) {
                    older.valid_until = Some(now.plus(grace));
                }
            }
            let user = inner.users.get_mut(subject.username).ok_or(UNKNOWN_USER)?;
            let handle = Handle::new(txid.clone()).unwrap();
            let secret = SecretValue::new(plaintext.clone());
            if object == IssuerObject::User {
                user.passwords.push(Password { txid, plaintext, valid_until: None });
                return Ok(NewVersion { handle, client_id: None, secret });
            }
            user.clients.push(Client { txid, id: id.clone(), secret: plaintext, ended: false });
            Ok(NewVersion { handle, client_id: Some(id), secret })
        })
        .await
    }

    async fn end(&self, subject: Subject<'_>, keep: &Handle) -> Result<(), IssuerError> {
        let (object, grace) = (subject.object, self.declares().of(subject.object).ends.grace());
        let call = if object == IssuerObject::User { "commit_password" } else { "commit_client" };
        self.issuer_call(call, |inner, now| {
            if inner.ends_nothing {
                return Ok(());
            }
            if inner.denies_ends {
                return Err(UNKNOWN_USER);
            }
            if object == IssuerObject::User {
                return end_older(inner, subject.username, keep.as_str(), now.plus(grace));
            }
            let user = inner.users.get_mut(subject.username).ok_or(UNKNOWN_USER)?;
            if !user.clients.iter().any(|client| client.txid == keep.as_str()) {
                return Err(UNKNOWN_USER);
            }
            for other in user.clients.iter_mut().filter(|client| client.txid != keep.as_str()) {
                other.ended = true;
            }
            Ok(())
        })
        .await
    }

    async fn knows(&self, subject: Subject<'_>) -> Result<bool, IssuerError> {
        self.issuer_call("knows", |inner, _| Ok(inner.users.contains_key(subject.username))).await
    }

    async fn set(&self, subject: Subject<'_>, value: &SecretValue) -> Result<(), IssuerError> {
        let call = if subject.object == IssuerObject::User { "set_password" } else { "set_client" };
        self.issuer_call(call, |inner, now| {
            inner.made += 1;
            let (txid, plaintext) = (format!("tx-{}", inner.made), value.expose().to_owned());
            let user = inner.users.get_mut(subject.username).ok_or(UNKNOWN_USER)?;
            if subject.object == IssuerObject::User {
                user.passwords.iter_mut().for_each(|older| older.valid_until = Some(now));
                user.passwords.push(Password { txid, plaintext, valid_until: None });
            } else {
                user.clients.iter_mut().for_each(|older| older.ended = true);
                let id = subject.client_id.to_owned();
                user.clients.push(Client { txid, id, secret: plaintext, ended: false });
            }
            Ok(())
        })
        .await
    }
}

/// COMPAT section 3.
pub(super) fn service_user() -> Declaration {
    let declared = |ends| Declared { ends, late_end: late_end(ends), made_by: MadeBy::Issuer, lists: false };
    Declaration {
        driver: "service-user",
        client_ids: ClientIds::Answered,
        user: declared(Ends::Commit { grace: PASSWORD_GRACE }),
        client: declared(Ends::CommitAtOnce),
    }
}

/// What ends by age can come late; a call of its own is one by place here, and a commit at once ends all others.
pub(super) fn late_end(ends: Ends) -> LateEnd {
    if matches!(ends, Ends::Commit { .. }) { LateEnd::Harmless } else { LateEnd::MayEndNewer }
}
