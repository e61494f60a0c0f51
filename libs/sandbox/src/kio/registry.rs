//! What the registry says now: the file's applications, changed by `POST /registry`, over restarts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mint_store::{Database, Row, Transaction, Value};
use mint_types::{Clock, Timestamp};
use serde_json::Value as Json;
use tokio::sync::{Mutex, watch};

use crate::world::{Application, Invalid, World, check_application};

#[derive(Debug)]
pub(crate) struct Registry {
    database: Database,
    clock: Arc<dyn Clock>,
    entries: watch::Sender<Arc<Entries>>,
    world: watch::Sender<Arc<World>>,
    /// One change at a time: what is published is what is stored.
    changing: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Entries {
    pub(crate) last_modified: BTreeMap<String, Timestamp>,
    pub(crate) world: Arc<World>,
}

/// Why the registry cannot be changed like this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("application {0:?} is not in the registry")]
    Unknown(String),
    #[error("{0}")]
    Malformed(String),
    #[error(transparent)]
    State(#[from] mint_store::Error),
}

impl Registry {
    /// Takes over the file. Where the file did not change since it was last taken over, later changes stand.
    pub(crate) async fn open(
        file: World,
        database: Database,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, mint_store::Error> {
        let written: Arc<Vec<(String, String)>> = Arc::new(
            file.applications.iter().map(|application| (application.id.clone(), text(application))).collect(),
        );
        let now = clock.now();
        let rows = database
            .write(|transaction| {
                let written = Arc::clone(&written);
                Box::pin(async move { take_over(transaction, &written, now).await })
            })
            .await?;
        let entries = Arc::new(entries(file, &rows)?);
        let world = watch::Sender::new(Arc::clone(&entries.world));
        let entries = watch::Sender::new(entries);
        Ok(Self { database, clock, entries, world, changing: Mutex::new(()) })
    }

    pub(crate) fn entries(&self) -> Arc<Entries> {
        Arc::clone(&self.entries.borrow())
    }

    pub(crate) fn world(&self) -> watch::Receiver<Arc<World>> {
        self.world.subscribe()
    }

    /// Puts an application; of one that exists, fields that are not given stay.
    pub(crate) async fn put(&self, fields: Json) -> Result<(), Refusal> {
        let _changing = self.changing.lock().await;
        let mut entries = Entries::clone(&self.entries());
        let mut world = World::clone(&entries.world);
        let application = overlaid(&world, fields)?;
        if world.account_of(&application).is_none() {
            return Err(Refusal::Malformed(format!("there is no team {:?}", application.team_id)));
        }
        let now = self.clock.now();
        let args = [application.id.as_str().into(), text(&application).into(), now.into()];
        self.database.execute(PUT, &args).await?;
        entries.last_modified.insert(application.id.clone(), now);
        match world.applications.iter_mut().find(|known| known.id == application.id) {
            Some(known) => *known = application,
            None => world.applications.push(application),
        }
        self.publish(entries, world);
        Ok(())
    }

    /// Makes an application vanish, which the real registry never does.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Refusal> {
        let _changing = self.changing.lock().await;
        let mut entries = Entries::clone(&self.entries());
        let mut world = World::clone(&entries.world);
        if entries.last_modified.remove(id).is_none() {
            return Err(Refusal::Unknown(id.to_owned()));
        }
        self.database.execute(REMOVE, &[id.into(), self.clock.now().into()]).await?;
        world.applications.retain(|application| application.id != id);
        self.publish(entries, world);
        Ok(())
    }

    fn publish(&self, mut entries: Entries, world: World) {
        entries.world = Arc::new(world);
        self.world.send_replace(Arc::clone(&entries.world));
        self.entries.send_replace(Arc::new(entries));
    }
}

const PUT: &str = "INSERT INTO registered_application (id, document, written, removed, last_modified) \
     VALUES ($1, $2, NULL, 0, $3) \
     ON CONFLICT (id) DO UPDATE SET document = excluded.document, removed = 0, last_modified = excluded.last_modified";
const REMOVE: &str = "UPDATE registered_application SET removed = 1, last_modified = $2 WHERE id = $1";
const TAKE_OVER: &str = "INSERT INTO registered_application (id, document, written, removed, last_modified) \
     VALUES ($1, $2, $2, 0, $3) \
     ON CONFLICT (id) DO UPDATE SET document = excluded.document, written = excluded.written, removed = 0, \
     last_modified = excluded.last_modified";
const ALL: &str =
    "SELECT id, document, written, removed, last_modified FROM registered_application ORDER BY id";

async fn take_over(
    transaction: &mut Transaction<'_>,
    file: &[(String, String)],
    now: Timestamp,
) -> Result<Vec<Row>, mint_store::Error> {
    let mut known = HashMap::new();
    for row in transaction.query(ALL, &[]).await? {
        known.insert(row.text("id")?, row.optional_text("written")?);
    }
    for (id, written) in file {
        if known.remove(id).flatten().as_ref() != Some(written) {
            let args: [Value; 3] = [id.into(), written.into(), now.into()];
            transaction.execute(TAKE_OVER, &args).await?;
        }
    }
    for id in known.iter().filter(|(_, written)| written.is_some()).map(|(id, _)| id) {
        transaction.execute("DELETE FROM registered_application WHERE id = $1", &[id.into()]).await?;
    }
    transaction.query(ALL, &[]).await
}

/// The file's applications in the file's order, then those that only `POST /registry` knows.
fn entries(mut file: World, rows: &[Row]) -> Result<Entries, mint_store::Error> {
    let mut current = BTreeMap::new();
    let mut last_modified = BTreeMap::new();
    for row in rows {
        if row.boolean("removed")? {
            continue;
        }
        let Ok(application) = serde_json::from_str::<Application>(&row.text("document")?) else {
            tracing::warn!(
                application = row.text("id")?,
                "a stored application is from another version; forgotten"
            );
            continue;
        };
        last_modified.insert(application.id.clone(), row.timestamp("last_modified")?);
        current.insert(application.id.clone(), application);
    }
    let mut applications = Vec::new();
    for written in &file.applications {
        applications.extend(current.remove(&written.id));
    }
    applications.extend(current.into_values());
    file.applications = applications;
    Ok(Entries { last_modified, world: Arc::new(file) })
}

fn overlaid(world: &World, fields: Json) -> Result<Application, Refusal> {
    let Json::Object(fields) = fields else {
        return Err(Refusal::Malformed("put takes an application's fields as an object".to_owned()));
    };
    let known = fields.get("id").and_then(Json::as_str).and_then(|id| world.application(id));
    let mut whole = match known.map(serde_json::to_value) {
        Some(Ok(Json::Object(whole))) => whole,
        _ => serde_json::Map::new(),
    };
    whole.extend(fields);
    let application: Application = serde_json::from_value(Json::Object(whole))
        .map_err(|problem| Refusal::Malformed(problem.to_string()))?;
    check_application(&application).map_err(|problem: Invalid| Refusal::Malformed(problem.to_string()))?;
    Ok(application)
}

fn text(application: &Application) -> String {
    serde_json::to_string(application).expect("strings, booleans and lists are always JSON")
}
