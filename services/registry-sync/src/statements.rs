//! Whose statements are believed.

use mint_runtime::StatementsConfig;
use mint_statement::{DestinationSet, SignedStatement, Signer, Statement, Subject, TrustedKeys, Verified};
use mint_types::Timestamp;

use crate::{
    Error,
    model::Record,
    settings::{Defaults, Entered},
};

/// The file with the trusted keys, read at each use.
#[derive(Debug, Clone, Default)]
pub struct Statements(pub StatementsConfig);

impl Statements {
    /// Believes a statement if trusted keys signed it and it is in force.
    pub fn verified(&self, envelope: &[u8], now: Timestamp) -> Result<Verified, Error> {
        let trusted = TrustedKeys::configured(self.0.keys_file.as_deref())?;
        Ok(SignedStatement::parse(envelope)?.verify(&trusted, now)?)
    }

    /// The text of a destinations statement by the owner, the one before an unconfirmed change, or an operator that names
    /// exactly the destinations of these settings.
    pub fn destinations(
        &self,
        envelope: &[u8],
        record: &Record,
        settings: &Entered,
        defaults: &Defaults,
        now: Timestamp,
    ) -> Result<String, Error> {
        let verified = self.verified(envelope, now)?;
        let former = Signer::Team(record.confirmed_team.clone());
        let is_former = verified.signers().contains(&former);
        let owner = if is_former { &record.confirmed_team } else { &record.facts.team_id };
        let Statement { subject, .. } = verified.by_owner_or_operator(owner)?;
        let team = record.facts.team_id.clone();
        let entered = DestinationSet::of(record.id.clone(), team, &settings.effective(defaults));
        if subject != Subject::Destinations(entered) {
            return Err(mint_statement::Error::Mismatch("set of destinations than the settings name").into());
        }
        let malformed =
            |error: std::string::FromUtf8Error| mint_statement::Error::Malformed(error.to_string());
        Ok(String::from_utf8(envelope.to_vec()).map_err(malformed)?)
    }
}
