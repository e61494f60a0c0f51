//! The login that shows that the issuer accepts what it made.

use std::sync::Arc;

use mint_secret::SecretValue;

use super::fresh::{Fresh, client_login};
use crate::Error;
use crate::error::IssuerError;
use crate::execute::Rotator;
use crate::ports::{LoginVerdict, PublicVerdict};

/// Proof that the issuer accepted a login with whatever it has of a fresh version; sealing takes it.
pub(super) struct Tested(Arc<Fresh>);

impl Tested {
    /// What was tested.
    pub(super) fn fresh(&self) -> &Fresh {
        &self.0
    }
}

impl Rotator {
    /// Logs in with what was made, once more after a pause if need be, and revokes the token beside the answer.
    pub(super) async fn test(&self, username: &str, fresh: Fresh) -> Result<Tested, Error> {
        let fresh = Arc::new(fresh);
        let mut verdict = self.log_in(username, &fresh).await;
        if is_worth_repeating(&verdict) {
            tokio::time::sleep(self.parts.rules.login_pause).await;
            verdict = self.log_in(username, &fresh).await;
        }
        let token = match verdict.map_err(|error| Error::Issuer { call: "login", error })? {
            LoginVerdict::Accepted(token) => token,
            LoginVerdict::Refused(error) => return Err(Error::RejectedLogin { error }),
        };
        self.revoke_beside(token, Arc::clone(&fresh));
        Ok(Tested(fresh))
    }

    /// Revokes the test's token in a task that the answer does not wait for and a drain does. A token that stays
    /// expires by itself, so a failure is only logged.
    fn revoke_beside(&self, token: SecretValue, fresh: Arc<Fresh>) {
        if token.is_empty() {
            return;
        }
        let login = self.parts.login.clone();
        self.parts.background.spawn(async move {
            let client = fresh.client_to_test().map(client_login);
            if let Err(error) = login.revoke(&token, client).await {
                tracing::warn!(code = error.reason(), %error, "the token of a test login was not revoked");
            }
        });
    }

    async fn log_in(&self, username: &str, fresh: &Fresh) -> Result<LoginVerdict, IssuerError> {
        let login = &self.parts.login;
        // there is no token to revoke
        let nothing = || Ok(LoginVerdict::Accepted(SecretValue::new(String::new())));
        if let Fresh::Public(client_id) = fresh {
            return match login.public_client(client_id).await? {
                PublicVerdict::Known => nothing(),
                PublicVerdict::Unknown(code) => Ok(LoginVerdict::Refused(code)),
            };
        }
        match (fresh.password_to_test(), fresh.client_to_test()) {
            (Some(password), Some(client)) => {
                login.password_and_client(username, &password.secret, client_login(client)).await
            }
            (Some(password), None) => login.password(username, &password.secret).await,
            (None, Some(client)) => login.client(client_login(client)).await,
            // the issuer has none of it yet: it is tested once it is set
            (None, None) => nothing(),
        }
    }
}

/// A pause that the issuer asks for, or our own broken access, does not get better within a second.
pub(in crate::execute) fn is_worth_repeating(verdict: &Result<LoginVerdict, IssuerError>) -> bool {
    match verdict {
        Ok(LoginVerdict::Refused(_)) | Err(IssuerError::NotSent(_) | IssuerError::Unknown(_)) => true,
        Ok(LoginVerdict::Accepted(_))
        | Err(
            IssuerError::RateLimited { .. }
            | IssuerError::OwnAccess(_)
            | IssuerError::Refused { .. }
            | IssuerError::Malformed(_)
            | IssuerError::Unsupported(_),
        ) => false,
    }
}
