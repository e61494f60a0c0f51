//! Where credentials go and logins come back to, said in writing: without the owner's or an operator's word the distributor
//! waits before it delivers anywhere new, and identity-provisioner keeps the redirect URL that there is.

use std::process::ExitCode;
use std::time::Duration;

use mint_runtime::{SystemClock, SystemEntropy};
use mint_statement::{DestinationSet, SignedStatement, Signer, Statement, StatementKey, Subject};
use mint_types::{Application, ApplicationId, Clock as _, Settings};

use super::statement::{key_of, own_file};
use crate::cli::{GlobalOptions, SignerSpec};
use crate::remote::Remote;
use crate::{Error, talk};

/// A bucket may refuse writes for days before the first delivery confirms the statement.
const LIFE: Duration = Duration::from_hours(7 * 24);

/// Whose word goes with new destinations: the one that was named, else the operator's of an embedded world, else nobody's.
pub(super) fn word(
    global: &GlobalOptions,
    named: Option<&SignerSpec>,
) -> Result<Option<StatementKey>, Error> {
    if let Some(spec) = named {
        return key_of(global, spec).map(Some);
    }
    let spec = SignerSpec { signer: Signer::Operator("operator".to_owned()), file: None };
    if own_file(global, &spec.signer)?.exists() { key_of(global, &spec).map(Some) } else { Ok(None) }
}

/// Replaces the settings; where they name other destinations, with the word for them.
pub(super) async fn enter(
    remote: &Remote,
    record: &Application,
    after: Settings,
    key: Option<&StatementKey>,
) -> Result<Application, Error> {
    let generation = record.settings_generation;
    let set = |settings: &Settings| DestinationSet::of(record.id.clone(), record.team_id.clone(), settings);
    let is_moved = record.settings.as_ref().is_none_or(|before| set(before) != set(&after));
    let says_something = !after.buckets.is_empty()
        || after.redirect_url.is_some()
        || record.settings.as_ref().is_some_and(|before| before.confidential != after.confidential)
        || record.settings.as_ref().is_some_and(|before| !before.buckets.is_empty());
    let Some(key) = key.filter(|_| is_moved && says_something) else {
        if is_moved && record.settings.is_some() {
            talk::say(
                "mint: nobody signs (--signer): new destinations wait for a day, removed ones are written on that long, \
                 another layout, client type or redirect URL waits until `mint app confirm`",
            );
        }
        return remote.update_settings(&record.id, after, generation, Vec::new()).await;
    };
    let statement = signed(set(&after), key)?;
    match remote.update_settings(&record.id, after.clone(), generation, statement).await {
        // the catalog has defaults that we cannot know: enter the settings, then sign what is in force
        Err(Error::Refused { reason, .. }) if reason == "STATEMENT_MISMATCH" => {
            let entered = remote.update_settings(&record.id, after, generation, Vec::new()).await?;
            give_word(remote, &entered, key).await
        }
        answer => answer,
    }
}

/// Says that an application's credentials go where its record says.
pub(crate) async fn confirm(
    remote: &Remote,
    global: &GlobalOptions,
    app: &ApplicationId,
    signer: Option<&SignerSpec>,
) -> Result<ExitCode, Error> {
    let record = remote.application(app).await?;
    let key = word(global, signer)?.ok_or_else(|| Error::Usage {
        what: "nobody signs".to_owned(),
        advice: "name the owning team or an operator with --signer".to_owned(),
    })?;
    let confirmed = give_word(remote, &record, &key).await?;
    let buckets = confirmed.settings.iter().flat_map(|settings| &settings.buckets);
    let names: Vec<_> = buckets.map(|bucket| bucket.name.to_string()).collect();
    let url = confirmed.settings.iter().find_map(|settings| settings.redirect_url.as_deref());
    let logins = url.map_or_else(String::new, |url| format!(" and that its logins come back to {url}"));
    talk::say(format_args!(
        "mint: {} confirms that {app} is delivered to {}{logins}",
        key.signer(),
        names.join(", ")
    ));
    Ok(ExitCode::SUCCESS)
}

async fn give_word(remote: &Remote, record: &Application, key: &StatementKey) -> Result<Application, Error> {
    let settings = record.settings.clone().ok_or_else(|| Error::Usage {
        what: format!("{} has no settings", record.id),
        advice: format!("enter them: mint app set {}", record.id),
    })?;
    let set = DestinationSet::of(record.id.clone(), record.team_id.clone(), &settings);
    let statement = signed(set, key)?;
    remote.update_settings(&record.id, settings, record.settings_generation, statement).await
}

fn signed(set: DestinationSet, key: &StatementKey) -> Result<Vec<u8>, Error> {
    let now = SystemClock::new(&SystemEntropy).now();
    let statement = Statement::new(Subject::Destinations(set), now, LIFE, &SystemEntropy);
    let signed = SignedStatement::sign(statement, key).map_err(|error| super::statement::refused(&error))?;
    Ok(signed.to_bytes())
}
