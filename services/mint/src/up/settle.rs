//! Until everything serves, and every application has its settings.

use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use mint_types::{Application, OutboundUrl, Presence, ServiceName};

use super::console::Console;
use super::{REGION, World};
use crate::Error;
use crate::remote::Remote;

const POLL: Duration = Duration::from_millis(100);
/// After how many polls it is said who is waited for.
const SAY_EVERY: u32 = 100;
/// How often the first read of the registry is tried before the world goes on with what the catalog holds.
const SYNC_ATTEMPTS: u32 = 10;
/// How many settings are entered side by side.
const SIDE_BY_SIDE: usize = 8;

/// Waits until every one of `services` says SERVING.
pub(crate) async fn serving(remote: &Remote, services: &[ServiceName], console: &Console) {
    let mut waiting = services.to_vec();
    let mut polls = 0;
    loop {
        let answers = join_all(waiting.iter().map(|service| remote.health(*service))).await;
        let still = waiting.iter().zip(&answers).filter(|(_, answer)| answer.is_err());
        if polls % SAY_EVERY == SAY_EVERY - 1 {
            for (service, answer) in still.clone() {
                let why = answer.as_ref().err().map_or("", String::as_str);
                console.say(format_args!("mint: {service} is not SERVING yet: {why}"));
            }
        }
        waiting = still.map(|(service, _)| *service).collect();
        if waiting.is_empty() {
            return;
        }
        polls += 1;
        tokio::time::sleep(POLL).await;
    }
}

/// Reads the registry and enters settings for the applications that have none.
///
/// A registry that cannot be read must not keep the world from running: what the catalog holds goes on, and the
/// watch of the catalog enters the rest when it comes.
pub(crate) async fn settings(remote: &Remote, world: &World) {
    for attempt in 1..=SYNC_ATTEMPTS {
        match remote.sync_source().await {
            Ok(()) => break,
            Err(error) => {
                world
                    .console
                    .say(format_args!("mint: the registry was not read (attempt {attempt}): {error}"));
                tokio::time::sleep(POLL * attempt).await;
            }
        }
    }
    let records = match remote.catalog().await {
        Ok((records, _)) => records,
        Err(error) => return world.console.say(format_args!("mint: no settings are entered yet: {error}")),
    };
    let new = records.iter().filter(|record| wants_settings(record));
    let entered = futures::stream::iter(new)
        .map(|record| enter(remote, world, record))
        .buffer_unordered(SIDE_BY_SIDE)
        .filter(|entered| std::future::ready(*entered))
        .count()
        .await;
    world.console.say(format_args!(
        "mint: {} applications in the catalog, settings entered for {entered}",
        records.len()
    ));
}

/// Whether nobody ever entered settings.
pub(crate) fn wants_settings(record: &Application) -> bool {
    record.settings_generation == 0 && record.presence == Presence::Present
}

/// Enters the registry file's settings of one application; true if they were.
pub(crate) async fn enter(remote: &Remote, world: &World, record: &Application) -> bool {
    let Some(entry) = world.registry.applications.iter().find(|entry| entry.id == record.id) else {
        return false;
    };
    if world.registry.unsupported.contains(entry.id.as_str()) {
        // registry-sync tells it as the application's problem
        return false;
    }
    let Ok(store) = world.urls.s3().parse::<OutboundUrl>() else { return false };
    let settings = world.registry.settings_of(entry, Some((&store, REGION)));
    match remote.update_settings(&record.id, settings, record.settings_generation, Vec::new()).await {
        Ok(_) => true,
        // somebody was quicker: theirs win
        Err(Error::Refused { reason, .. }) if reason == "SETTINGS_CHANGED" => false,
        Err(error) => {
            world.console.say(format_args!("mint: the settings of {} are not entered: {error}", record.id));
            false
        }
    }
}
