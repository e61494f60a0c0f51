//! Gives everybody an identity: services, operators, teams, applications.

use std::time::Duration;

use mint_api::registry::v1::WatchApplicationsResponse;
use mint_types::{Application, ApplicationId, Presence, Principal};

use super::environment::{self, files};
use super::layout::DataDirectory;
use super::pki::Authority;
use super::{World, settle};
use crate::Error;
use crate::registry_file::RegistryFile;
use crate::remote::Remote;

/// The operators of an embedded world; some acts need two.
pub(super) const OPERATORS: [&str; 2] = ["operator", "second"];
/// The one member that each team has here.
const MEMBER: &str = "member";
const POLL: Duration = Duration::from_millis(50);
/// Before a lost watch is taken up again.
const PAUSE: Duration = Duration::from_secs(1);

/// The certificates of everybody whom the registry file names, as far as they are not there or soon expire.
pub(crate) fn principals(
    directory: &DataDirectory,
    authority: &Authority,
    registry: &RegistryFile,
) -> Result<(), Error> {
    for service in super::services() {
        authority.ensure(&directory.tls(service), Principal::Service(service))?;
    }
    for name in OPERATORS {
        authority.ensure(&directory.operator(name), Principal::Operator(name.to_owned()))?;
    }
    for team in &registry.teams {
        let member = Principal::Team { team: team.id.clone(), member: MEMBER.to_owned() };
        authority.ensure(&directory.team(team.id.as_str()), member)?;
    }
    for entry in &registry.applications {
        application_identity(directory, authority, &entry.id)?;
    }
    Ok(())
}

fn application_identity(
    directory: &DataDirectory,
    authority: &Authority,
    id: &ApplicationId,
) -> Result<bool, Error> {
    authority.ensure(&directory.application(id.as_str()), Principal::Application(id.clone()))
}

/// Completes the directory of every application in the catalog, and waits for the tokens of the active ones.
pub(crate) async fn everybody(remote: &Remote, world: &World) -> Result<(), Error> {
    let (records, _) = remote.catalog().await?;
    for record in &records {
        application(world, record)?;
    }
    for record in records.iter().filter(|record| record.active && record.presence == Presence::Present) {
        for file in files(&world.directory, &record.id) {
            while !file.is_file() {
                tokio::time::sleep(POLL).await;
            }
        }
    }
    Ok(())
}

fn application(world: &World, record: &Application) -> Result<(), Error> {
    application_identity(&world.directory, &world.authority, &record.id)?;
    let of_team = world.registry.account_of(&record.team_id);
    let of_settings = record.settings.as_ref().and_then(|settings| settings.account_id.as_ref());
    let subject = environment::Application {
        id: &record.id,
        account: of_team.or(of_settings),
        settings: record.settings.as_ref(),
    };
    environment::write(&world.directory, &world.urls, &subject)
}

/// Keeps the applications' directories true to the catalog: new ones, and changed settings.
pub(crate) async fn keep(remote: &Remote, world: &World) -> std::convert::Infallible {
    loop {
        match remote.watch_catalog().await {
            Ok(mut stream) => {
                while let Ok(Some(change)) = stream.message().await {
                    take_in(remote, world, change).await;
                }
            }
            // its end was told when it died, and its start will be
            Err(Error::Unanswered { .. }) => {}
            Err(refused) => world.console.say(format_args!("mint: the watch of the catalog: {refused}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn take_in(remote: &Remote, world: &World, change: WatchApplicationsResponse) {
    let Some(wire) = change.application else { return };
    let id = wire.id.clone();
    let record = match Application::try_from(wire) {
        Ok(record) => record,
        Err(error) => return world.console.say(format_args!("mint: the record of {id}: {error}")),
    };
    if settle::wants_settings(&record) {
        settle::enter(remote, world, &record).await;
    }
    if let Err(error) = application(world, &record) {
        world.console.say(format_args!("mint: the directory of {id} is not complete: {error}"));
    }
}

/// How often the certificates are looked at; they are replaced days before they expire.
const RENEWAL: Duration = Duration::from_hours(1);

/// Replaces certificates ahead of their expiry while the world runs; services read them again by themselves.
pub(crate) async fn renew(world: &World) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(RENEWAL).await;
        if let Err(error) = principals(&world.directory, &world.authority, &world.registry) {
            world.console.say(format_args!("mint: certificates are not renewed: {error}"));
        }
    }
}
