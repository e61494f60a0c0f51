//! `mint app show` and `mint app set`.

use std::process::ExitCode;

use mint_api::convert::{DEFAULT_CLIENT_PERIOD, DEFAULT_PASSWORD_PERIOD};
use mint_types::{Application, ApplicationId, Bucket, Layout, Prefix, Presence, Problem, Settings};
use serde::Serialize;

use super::{destinations, orphans};
use crate::Error;
use crate::cli::{AppSet, BucketSpec, GlobalOptions, Output};
use crate::reach::Reach;
use crate::remote::Remote;
use crate::standing::Standing;
use crate::up::Endpoints;
use crate::{render, talk};

#[derive(Debug, Serialize)]
struct Shown<'a> {
    application: &'a Application,
    status: Option<Standing>,
    /// What is wrong with the coordinator itself: the status is what it last could write.
    coordinator_problems: Vec<Problem>,
}

/// Shows the record, its settings and how it stands.
pub(crate) async fn show(
    remote: &Remote,
    global: &GlobalOptions,
    app: &ApplicationId,
) -> Result<ExitCode, Error> {
    let record = remote.application(app).await?;
    let (status, coordinator_problems) = match remote.standing(app).await {
        Ok((status, problems)) => (Some(status), problems),
        Err(error) => {
            talk::say(format_args!("mint: {error} [{}]", error.code()));
            (None, vec![])
        }
    };
    match global.output {
        Output::Json => talk::print_json(&Shown { application: &record, status, coordinator_problems }),
        Output::Text => {
            let troubles = coordinator_problems
                .iter()
                .map(|problem| format!("\n{}", render::problem_text("coordinator", problem)));
            let standing =
                status.map(|status| format!("\n{}", render::standings(&[status]))).unwrap_or_default();
            talk::print(render::application(&record) + &standing + &troubles.collect::<String>())
        }
    };
    Ok(ExitCode::SUCCESS)
}

/// Reads the settings, changes what was named, and writes them if nobody else did meanwhile.
pub(crate) async fn set(
    remote: &Remote,
    reach: &Reach,
    global: &GlobalOptions,
    changes: &AppSet,
) -> Result<ExitCode, Error> {
    let record = remote.application(&changes.app).await?;
    let before = record.settings.clone().unwrap_or_else(nothing_entered);
    let after = changed(before.clone(), changes, reach.world.as_ref());
    if record.settings.as_ref() == Some(&after) {
        talk::say(format_args!("mint: the settings of {} are like this already", changes.app));
        return Ok(shown(&record, global));
    }
    after.check().map_err(|invalid| Error::Usage {
        what: format!("{}: {invalid}", changes.app),
        advice: "correct the value and try again".to_owned(),
    })?;
    let key = destinations::word(global, changes.signer.as_ref())?;
    let record = destinations::enter(remote, &record, after, key.as_ref()).await?;
    talk::say(format_args!(
        "mint: the settings of {} are changed; `mint watch {}` shows what follows",
        changes.app, changes.app
    ));
    Ok(shown(&record, global))
}

/// Takes an application that the registry lost out of use; of one that the catalog never had, its user.
pub(crate) async fn remove(
    remote: &Remote,
    global: &GlobalOptions,
    app: &ApplicationId,
) -> Result<ExitCode, Error> {
    let record = match remote.retire_application(app).await {
        Err(unknown @ Error::Refused { code: tonic::Code::NotFound, .. }) => {
            let Some(username) = orphans::user_of(remote, app).await? else { return Err(unknown) };
            return orphans::remove(remote, username).await;
        }
        answer => answer?,
    };
    talk::say(format_args!(
        "mint: {app} is out of use: its identity is disabled, and deleted after the tombstone period; \
         `mint app restore {app}` takes it back until then"
    ));
    Ok(shown(&record, global))
}

/// Takes the user of an application over that was there before Mint.
pub(crate) async fn adopt(remote: &Remote, app: &ApplicationId) -> Result<ExitCode, Error> {
    let client_id = remote.adopt_identity(app).await?;
    talk::say(format_args!("mint: the user of {app} is taken over; its client is {client_id}"));
    Ok(ExitCode::SUCCESS)
}

/// Takes an application into use again.
pub(crate) async fn restore(
    remote: &Remote,
    global: &GlobalOptions,
    app: &ApplicationId,
) -> Result<ExitCode, Error> {
    let before = remote.application(app).await?;
    let record = remote.restore_application(app).await?;
    if before.active && before.presence == Presence::Present && before.revision == record.revision {
        talk::say(format_args!("mint: {app} is in use already: nothing is changed"));
        return Ok(shown(&record, global));
    }
    talk::say(format_args!("mint: {app} is in use again; `mint watch {app}` shows what follows"));
    Ok(shown(&record, global))
}

fn shown(record: &Application, global: &GlobalOptions) -> ExitCode {
    match global.output {
        Output::Json => {
            talk::print_json(&Shown { application: record, status: None, coordinator_problems: vec![] })
        }
        Output::Text => talk::print(render::application(record)),
    };
    ExitCode::SUCCESS
}

fn nothing_entered() -> Settings {
    Settings {
        buckets: vec![],
        account_id: None,
        prefix: Prefix::default(),
        layout: Layout::default(),
        scopes: vec![],
        redirect_url: None,
        confidential: true,
        password_period: DEFAULT_PASSWORD_PERIOD,
        client_period: DEFAULT_CLIENT_PERIOD,
    }
}

fn changed(mut settings: Settings, changes: &AppSet, world: Option<&Endpoints>) -> Settings {
    if changes.no_bucket {
        settings.buckets = vec![];
    } else if !changes.bucket.is_empty() {
        settings.buckets = changes.bucket.iter().map(|spec| bucket(spec, &settings, world)).collect();
    }
    if changes.no_scope {
        settings.scopes = vec![];
    } else if !changes.scope.is_empty() {
        settings.scopes.clone_from(&changes.scope);
    }
    if let Some(url) = &changes.redirect_url {
        settings.redirect_url = Some(url.clone()).filter(|url| !url.is_empty());
    }
    settings.prefix = changes.prefix.clone().unwrap_or(settings.prefix);
    settings.layout = changes.layout.unwrap_or(settings.layout);
    settings.confidential = changes.confidential.unwrap_or(settings.confidential);
    settings.account_id = changes.account_id.clone().or(settings.account_id);
    settings.password_period = changes.password_period.unwrap_or(settings.password_period);
    settings.client_period = changes.client_period.unwrap_or(settings.client_period);
    settings
}

/// A bucket keeps what was known of it; in an embedded world one without an endpoint is the embedded store's.
fn bucket(spec: &BucketSpec, settings: &Settings, world: Option<&Endpoints>) -> Bucket {
    let known = settings.buckets.iter().find(|bucket| bucket.name == spec.name);
    let world_endpoint = || world.and_then(|world| world.s3_endpoint.parse().ok());
    let world_region = || world.map(|world| world.s3_region.clone());
    Bucket {
        name: spec.name.clone(),
        region: spec
            .region
            .clone()
            .or_else(|| known.and_then(|bucket| bucket.region.clone()))
            .or_else(world_region),
        endpoint: spec
            .endpoint
            .clone()
            .or_else(|| known.and_then(|bucket| bucket.endpoint.clone()))
            .or_else(world_endpoint),
        kms_key_id: spec.kms_key_id.clone().or_else(|| known.and_then(|bucket| bucket.kms_key_id.clone())),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{App, Cli, Command};

    fn changes(arguments: &[&str]) -> Box<AppSet> {
        let all = ["mint", "app", "set", "kio"].iter().chain(arguments);
        match Cli::try_parse_from(all).unwrap().command {
            Command::App(App::Set(changes)) => changes,
            other => panic!("{other:?}"),
        }
    }

    fn world() -> Endpoints {
        serde_json::from_value(serde_json::json!({
            "token_url": "", "kio_url": "", "service_user_url": "", "s3_endpoint": "http://127.0.0.1:1",
            "s3_region": "eu-central-1", "sts_endpoint": "", "sandbox_url": "", "broker_url": "", "ca": "", "operator_cert": "",
            "operator_key": "", "services": {},
        }))
        .unwrap()
    }

    #[test]
    fn only_what_is_named_changes() {
        let before = Settings { account_id: Some("123456789012".parse().unwrap()), ..nothing_entered() };
        let after = changed(before.clone(), &changes(&["--password-period", "20s"]), None);
        assert_eq!(after, Settings { password_period: "20s".parse().unwrap(), ..before });
    }

    #[test]
    fn a_bucket_of_an_embedded_world_is_the_embedded_stores_unless_it_says_otherwise() {
        let world = world();
        let settings = changed(
            nothing_entered(),
            &changes(&["--bucket", "team-a", "--bucket", "team-b,region=us-east-1"]),
            Some(&world),
        );
        let places: Vec<_> = settings
            .buckets
            .iter()
            .map(|bucket| (bucket.region.as_deref().unwrap(), bucket.endpoint.as_ref().unwrap().as_str()))
            .collect();
        assert_eq!(places, [("eu-central-1", "http://127.0.0.1:1"), ("us-east-1", "http://127.0.0.1:1")]);
        let elsewhere = changed(nothing_entered(), &changes(&["--bucket", "team-a"]), None);
        assert_eq!(elsewhere.buckets[0].endpoint, None);
        let again = changed(settings.clone(), &changes(&["--bucket", "team-b"]), Some(&world));
        assert_eq!(again.buckets, [settings.buckets[1].clone()]);
    }

    #[test]
    fn what_is_taken_away_is_said() {
        let world = world();
        let full = changed(
            nothing_entered(),
            &changes(&["--bucket", "team-a", "--scope", "uid.read", "--redirect-url", "https://a.example/x"]),
            Some(&world),
        );
        let empty =
            changed(full, &changes(&["--no-bucket", "--no-scope", "--redirect-url", ""]), Some(&world));
        assert_eq!(empty, nothing_entered());
    }
}
