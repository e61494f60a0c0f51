//! Which redirect URL an application's client gets.

use mint_api::audit_log::Outcome;
use mint_types::{Application, ApplicationId};

use super::Provisioner;
use crate::{
    Error,
    model::{Known, Stage},
    redirect::{Event, Pin, Ruling, Word, rule},
};

/// Why a client keeps the redirect URL that it has.
pub(super) const UNCONFIRMED: &str = "REDIRECT_URL_UNCONFIRMED";

impl Provisioner {
    /// What the settings ask for and nobody confirmed; empty if they ask for none.
    pub async fn held_redirect(&self, application: &ApplicationId) -> Result<Option<String>, Error> {
        Ok(self.state.redirect(application).await?.and_then(|pin| pin.held))
    }

    /// The record with the redirect URL that is in force, and what is to be remembered of it.
    pub(super) async fn pinned(
        &self,
        mut application: Application,
        known: Option<&Known>,
    ) -> Result<(Application, Ruling), Error> {
        let pin = self.state.redirect(&application.id).await?;
        // the name was released: whoever has it now is somebody else
        let pin = pin.filter(|_| !known.is_some_and(|known| known.is_surely(Stage::Deleted)));
        let asked = application.settings.as_ref().and_then(|settings| settings.redirect_url.clone());
        let ruling = rule(pin.as_ref(), asked.as_deref(), self.word(&application, asked.as_deref()).as_ref());
        if let Some(settings) = application.settings.as_mut() {
            settings.redirect_url.clone_from(&ruling.pin.url);
        }
        Ok((application, ruling))
    }

    /// The owner's or an operator's word, if the record carries one that is believed; not even read without a URL.
    fn word(&self, application: &Application, asked: Option<&str>) -> Option<Word> {
        let bytes = &application.destinations_statement;
        if bytes.is_empty() {
            return None;
        }
        let word = self.statements.redirect(bytes, application, self.clock.now());
        match word.and_then(|word| self.of_after_the_loss(word.issued_at).map(|()| word)) {
            Ok(word) => Some(word),
            Err(error) => {
                let (application, asked) = (&application.id, asked.unwrap_or("none"));
                tracing::info!(%application, asked, code = error.reason(), %error, "the word for a redirect URL is not believed");
                None
            }
        }
    }

    /// Tells the audit log that another URL was asked for in vain, or confirmed.
    pub(super) async fn tell_of_redirect(
        &self,
        application: &ApplicationId,
        ruling: &Ruling,
    ) -> Result<(), Error> {
        let Pin { url, held, .. } = &ruling.pin;
        let (action, url, outcome) = match ruling.event {
            Event::Nothing => return Ok(()),
            Event::Held => ("redirect.change", held, Outcome::Failure { reason: UNCONFIRMED }),
            Event::Confirmed => ("redirect.confirm", url, Outcome::Success),
        };
        let url = url.as_deref().filter(|url| !url.is_empty()).unwrap_or("none");
        tracing::warn!(%application, action, url, "another redirect URL");
        let announced = self.say(action, Some(application.clone()), format!("redirect {url}")).await?;
        Ok(self.audit.conclude(announced, outcome).await?)
    }
}

#[cfg(test)]
#[path = "../redirect_tests.rs"]
mod tests;
