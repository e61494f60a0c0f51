//! The issuer's token endpoint in memory.

use async_trait::async_trait;
use mint_secret::SecretValue;

use super::issuer::{User, opens_client, opens_password};
use super::{Inner, PUBLIC_CLIENT, World};
use crate::error::IssuerError;
use crate::ports::{ClientLogin, Login, LoginVerdict, PublicVerdict};

impl World {
    fn login(
        inner: &mut Inner,
        opens: impl FnOnce(&Inner) -> bool,
        refusal: &str,
    ) -> Result<LoginVerdict, IssuerError> {
        if inner.login_trouble {
            return Err(IssuerError::Unknown("injected".to_owned()));
        }
        if inner.accepts_everything || (opens(inner) && !inner.rejects_logins) {
            return Ok(LoginVerdict::Accepted(SecretValue::new("a-token".to_owned())));
        }
        Ok(LoginVerdict::Refused(refusal.to_owned()))
    }
}

#[async_trait]
impl Login for World {
    async fn password(&self, username: &str, password: &SecretValue) -> Result<LoginVerdict, IssuerError> {
        self.issuer_call("login", |inner, now| {
            let opens = |inner: &Inner| opens_password(inner, username, password.expose(), now);
            Self::login(inner, opens, "invalid_grant")
        })
        .await
    }

    async fn password_and_client(
        &self,
        username: &str,
        password: &SecretValue,
        client: ClientLogin<'_>,
    ) -> Result<LoginVerdict, IssuerError> {
        self.issuer_call("login", |inner, now| {
            let opens = |inner: &Inner| {
                opens_password(inner, username, password.expose(), now)
                    && opens_client(inner, client.id, client.secret.expose())
            };
            Self::login(inner, opens, "invalid_grant")
        })
        .await
    }

    async fn client(&self, client: ClientLogin<'_>) -> Result<LoginVerdict, IssuerError> {
        self.issuer_call("login", |inner, _| {
            let opens = |inner: &Inner| opens_client(inner, client.id, client.secret.expose());
            Self::login(inner, opens, "invalid_client")
        })
        .await
    }

    async fn public_client(&self, client_id: &str) -> Result<PublicVerdict, IssuerError> {
        self.issuer_call("login", |_, _| {
            let known = client_id == PUBLIC_CLIENT;
            Ok(if known { PublicVerdict::Known } else { PublicVerdict::Unknown("invalid_client".to_owned()) })
        })
        .await
    }

    async fn revoke(&self, _token: &SecretValue, client: Option<ClientLogin<'_>>) -> Result<(), IssuerError> {
        // in the background: it is no step of a rotation, so no fault is put here
        let mut inner = self.locked();
        inner.calls.push("revoke");
        let of_client =
            |user: &User| client.is_some_and(|client| user.clients.iter().any(|own| own.id == client.id));
        for user in inner.users.values_mut() {
            if client.is_none() || of_client(user) {
                user.revoked += 1;
            }
        }
        Ok(())
    }
}
