//! The issuer in memory, with the rules of COMPAT section 3.

use async_trait::async_trait;
use mint_api::audit_log::Announced;
use mint_secret::SecretValue;
use mint_types::{ApplicationId, Clock as _, Timestamp};

use super::{Course, Inner, PASSWORD_GRACE, World};
use crate::error::IssuerError;
use crate::plan::Delivered;
use crate::ports::{Issuer, NewClient, NewPassword};

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

#[async_trait]
impl Issuer for World {
    async fn create_password(
        &self,
        _announced: &Announced,
        username: &str,
    ) -> Result<NewPassword, IssuerError> {
        self.issuer_call("create_password", |inner, _| {
            inner.made += 1;
            let (txid, plaintext) =
                (format!("tx-{}", inner.made), format!("mint-canary-pw-{:08}", inner.made));
            let user = inner.users.get_mut(username).ok_or(UNKNOWN_USER)?;
            user.passwords.push(Password {
                txid: txid.clone(),
                plaintext: plaintext.clone(),
                valid_until: None,
            });
            Ok(NewPassword { txid, password: SecretValue::new(plaintext) })
        })
        .await
    }

    async fn commit_password(
        &self,
        _announced: &Announced,
        _delivered: &Delivered,
        username: &str,
        txid: &str,
    ) -> Result<(), IssuerError> {
        self.issuer_call("commit_password", |inner, now| {
            let user = inner.users.get_mut(username).ok_or(UNKNOWN_USER)?;
            let index =
                user.passwords.iter().position(|password| password.txid == txid).ok_or(UNKNOWN_USER)?;
            for older in user.passwords[..index].iter_mut().filter(|password| password.valid_until.is_none())
            {
                older.valid_until = Some(now.plus(PASSWORD_GRACE));
            }
            Ok(())
        })
        .await
    }

    async fn create_client(
        &self,
        _announced: &Announced,
        username: &str,
        _client_id: &str,
    ) -> Result<NewClient, IssuerError> {
        self.issuer_call("create_client", |inner, _| {
            inner.made += 1;
            let txid = format!("tx-{}", inner.made);
            let (id, secret) =
                (format!("client-{}", inner.made), format!("mint-canary-cs-{:08}", inner.made));
            let user = inner.users.get_mut(username).ok_or(UNKNOWN_USER)?;
            user.clients.push(Client {
                txid: txid.clone(),
                id: id.clone(),
                secret: secret.clone(),
                ended: false,
            });
            Ok(NewClient { txid, client_id: id, client_secret: SecretValue::new(secret) })
        })
        .await
    }

    async fn commit_client(
        &self,
        _announced: &Announced,
        _delivered: &Delivered,
        username: &str,
        txid: &str,
    ) -> Result<(), IssuerError> {
        self.issuer_call("commit_client", |inner, _| {
            let user = inner.users.get_mut(username).ok_or(UNKNOWN_USER)?;
            for other in user.clients.iter_mut().filter(|client| client.txid != txid) {
                other.ended = true;
            }
            Ok(())
        })
        .await
    }
}
