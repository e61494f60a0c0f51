//! Which redirect URL and which type an application's client gets.

use std::time::Duration;

use mint_api::audit_log::Outcome;
use mint_statement::Confirmation;
use mint_types::{Application, ApplicationId};

use super::Provisioner;
use crate::{
    Error,
    model::{Known, Stage},
    redirect::{Event, Pin, Ruling, Wanted, rule},
};

/// Why a client keeps the redirect URL that it has.
const URL_UNCONFIRMED: &str = "REDIRECT_URL_UNCONFIRMED";
/// Why a client goes on keeping a secret, or having none.
const TYPE_UNCONFIRMED: &str = "CLIENT_TYPE_UNCONFIRMED";

/// What the settings ask for and nobody confirmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unconfirmed {
    /// Another redirect URL; empty if they ask for none.
    pub url: Option<String>,
    /// The other client type.
    pub client_type: bool,
    /// How long a new owner's own word does not count yet: it is looked at again then.
    pub look_again_after: Option<Duration>,
}

impl Provisioner {
    /// What of an application's client waits for a word.
    pub async fn unconfirmed(&self, application: &ApplicationId) -> Result<Unconfirmed, Error> {
        let Some(pin) = self.state.redirect(application).await? else { return Ok(Unconfirmed::default()) };
        let look_again_after = match &pin.heir {
            Some(heir) => Some(heir.left(self.state.counted(&self.moment()).await?)),
            None => None,
        };
        Ok(Unconfirmed {
            url: pin.held,
            client_type: pin.is_type_held,
            look_again_after: look_again_after.filter(|left| !left.is_zero()),
        })
    }

    /// The record with the redirect URL and the client type that are in force, and what is to be remembered of them.
    pub(super) async fn pinned(
        &self,
        mut application: Application,
        known: Option<&Known>,
    ) -> Result<(Application, Ruling), Error> {
        let pin = self.state.redirect(&application.id).await?;
        // the name was released: whoever has it now is somebody else
        let pin = pin.filter(|_| !known.is_some_and(|known| known.is_surely(Stage::Deleted)));
        let word = self.word(&application, pin.as_ref());
        let now = self.state.counted(&self.moment()).await?;
        let ruling = rule(pin.as_ref(), &Wanted::of(&application), word.as_ref(), now);
        if let Some(settings) = application.settings.as_mut() {
            settings.redirect_url.clone_from(&ruling.pin.url);
            settings.confidential =
                ruling.pin.is_public.map_or(settings.confidential, |is_public| !is_public);
        }
        Ok((application, ruling))
    }

    /// The owner's or an operator's word, if the record carries one that is believed.
    fn word(&self, application: &Application, pin: Option<&Pin>) -> Option<Confirmation> {
        let bytes = &application.destinations_statement;
        if bytes.is_empty() {
            return None;
        }
        let owner = pin.and_then(|pin| pin.team.as_ref());
        let word = self.statements.destinations(bytes, application, owner, self.clock.now());
        match word.and_then(|word| self.of_after_the_loss(word.issued_at).map(|()| word)) {
            Ok(word) => Some(word),
            Err(error) => {
                let application = &application.id;
                tracing::info!(%application, code = error.reason(), %error, "the word for a client is not believed");
                None
            }
        }
    }

    /// Tells the audit log that another URL or client type was asked for in vain, or confirmed.
    pub(super) async fn tell_of_client(
        &self,
        application: &ApplicationId,
        ruling: &Ruling,
    ) -> Result<(), Error> {
        let Pin { url, held, is_public, .. } = &ruling.pin;
        let shown = |url: &Option<String>| {
            format!("redirect {}", url.as_deref().filter(|url| !url.is_empty()).unwrap_or("none"))
        };
        match ruling.url {
            Event::Nothing => {}
            Event::Held => {
                self.tell(application, "redirect.change", shown(held), Some(URL_UNCONFIRMED)).await?;
            }
            Event::Confirmed => {
                self.tell(application, "redirect.confirm", shown(url), None).await?;
            }
        }
        let shown =
            |is_public: bool| if is_public { "client public" } else { "client confidential" }.to_owned();
        let is_public = *is_public == Some(true);
        match ruling.client {
            Event::Nothing => Ok(()),
            Event::Held => {
                self.tell(application, "client.change", shown(!is_public), Some(TYPE_UNCONFIRMED)).await
            }
            Event::Confirmed => self.tell(application, "client.confirm", shown(is_public), None).await,
        }
    }

    async fn tell(
        &self,
        application: &ApplicationId,
        action: &'static str,
        resource: String,
        refused: Option<&'static str>,
    ) -> Result<(), Error> {
        tracing::warn!(%application, action, resource, "another client");
        let announced = self.say(action, Some(application.clone()), resource).await?;
        let outcome = refused.map_or(Outcome::Success, |reason| Outcome::Failure { reason });
        Ok(self.audit.conclude(announced, outcome).await?)
    }
}

#[cfg(test)]
#[path = "../redirect_tests.rs"]
mod tests;
