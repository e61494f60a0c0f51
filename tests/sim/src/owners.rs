//! Owners change their minds: another bucket, another layout; and a registry retires an application and takes it back.

use std::sync::Arc;
use std::time::Duration;

use mint_types::{Application, ApplicationId, Layout};

use crate::operators::{DATED_BACK, confirmed};
use crate::outside::bucket;
use crate::scene::{Scene, State};

/// How long a retired application stays so.
const RETIRED: Duration = Duration::from_mins(90);

/// Some owner of some application.
pub(crate) fn change_their_mind(scene: &Arc<Scene>) {
    let mut state = scene.locked();
    let ids: Vec<ApplicationId> = state.catalog.records.keys().cloned().collect();
    let index = state.rng.index(ids.len());
    let Some(id) = ids.get(index) else { return };
    match state.rng.below(6) {
        0 | 1 => state.reconsider(id, "another number of buckets", other_buckets, false),
        2 | 3 => state.reconsider(id, "another layout", other_layout, true),
        _ => retire(scene, &mut state, id),
    }
    drop(state);
    scene.catalog_changed.notify_waiters();
}

fn other_buckets(record: &mut Application) {
    let second = bucket(&format!("{}-bucket-1", record.id));
    let Some(settings) = &mut record.settings else { return };
    if settings.buckets.len() > 1 {
        settings.buckets.truncate(1);
    } else {
        settings.buckets.extend(second);
    }
}

/// Only where the client keeps a secret: the others have one layout.
fn other_layout(record: &mut Application) {
    let Some(settings) = record.settings.as_mut().filter(|settings| settings.confidential) else { return };
    settings.layout = match settings.layout {
        Layout::Split => Layout::Combined,
        Layout::Combined => Layout::Split,
    };
}

impl State {
    /// Somebody signs for another layout, which no time confirms; and for all that comes after it, because what was signed is
    /// not what is asked for then.
    fn reconsider(&mut self, id: &ApplicationId, what: &str, change: fn(&mut Application), is_signed: bool) {
        self.trace(|| format!("the owner of {id} wants {what}"));
        let before = self.wanted(id);
        let now = self.time.before(DATED_BACK);
        self.catalog.change(id, false, |record| {
            change(record);
            record.settings_generation += 1;
            if is_signed || !record.destinations_statement.is_empty() {
                record.destinations_statement = confirmed(record, now).unwrap_or_default();
            }
        });
        let after = self.wanted(id);
        // nobody reads what the settings did not name before, or do not name any more
        if let Some(places) = self.stores.applications.get_mut(id.as_str()) {
            places.retain(|path, _| before.contains(path) && after.contains(path));
        }
    }
}

/// The registry calls it inactive for a while.
fn retire(scene: &Arc<Scene>, state: &mut State, id: &ApplicationId) {
    if state.catalog.records.get(id).is_none_or(|record| !record.active) {
        return;
    }
    state.trace(|| format!("the registry retires {id}"));
    state.catalog.change(id, true, |record| record.active = false);
    let pause = state.within(RETIRED);
    let (scene, id) = (Arc::clone(scene), id.clone());
    tokio::spawn(async move {
        tokio::time::sleep(pause).await;
        let mut state = scene.locked();
        state.trace(|| format!("the registry takes {id} back"));
        state.catalog.change(&id, true, |record| record.active = true);
        state.catalog.reviving.insert(id);
        drop(state);
        scene.catalog_changed.notify_waiters();
    });
}
