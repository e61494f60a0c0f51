//! The Kio API (COMPAT §2): the registry of applications.
//!
//! As in the original an empty result is a 200 with an empty body, and there is no DELETE. Unlike the original the
//! list is never stale.

mod registry;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use mint_types::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bearer::Bearers;
use crate::reply::{error_reply, json_reply, on_behalf, unavailable};
use crate::world::Application;

pub(crate) use registry::Registry;

#[derive(Debug, Clone)]
struct Kio {
    registry: Arc<Registry>,
    bearers: Arc<Bearers>,
}

/// `/kio/apps` and `/kio/apps/{id}`.
pub(crate) fn router(registry: Arc<Registry>, bearers: Arc<Bearers>) -> Router {
    Router::new()
        .route("/kio/apps", get(list))
        .route("/kio/apps/{id}", get(show))
        .with_state(Kio { registry, bearers })
}

/// `POST /registry`: the hand by which tests change the registry.
pub(crate) fn hook(registry: Arc<Registry>) -> Router {
    Router::new().route("/registry", post(change)).with_state(registry)
}

async fn list(
    State(kio): State<Kio>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let caller = match kio.bearers.authorize(&headers, "kio.list") {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let filter = match Filter::of(&query) {
        Ok(filter) => filter,
        Err(message) => {
            return on_behalf(error_reply(StatusCode::BAD_REQUEST, "invalid_query", &message), caller);
        }
    };
    let entries = kio.registry.entries();
    let mut found = Vec::new();
    for application in &entries.world.applications {
        let modified = entries.last_modified.get(&application.id).copied();
        if let Some(modified) = modified.filter(|modified| filter.admits(application, *modified)) {
            found.push(document(application, modified));
        }
    }
    let answer =
        if found.is_empty() { StatusCode::OK.into_response() } else { json_reply(StatusCode::OK, &found) };
    on_behalf(answer, caller)
}

async fn show(State(kio): State<Kio>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let caller = match kio.bearers.authorize(&headers, "kio.get") {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let entries = kio.registry.entries();
    let answer = match (entries.world.application(&id), entries.last_modified.get(&id)) {
        (Some(application), Some(modified)) => json_reply(StatusCode::OK, &document(application, *modified)),
        _ => error_reply(StatusCode::NOT_FOUND, "not_found", "there is no such application"),
    };
    on_behalf(answer, caller)
}

#[derive(Debug, Default)]
struct Filter {
    modified_after: Option<Timestamp>,
    active: Option<bool>,
    team_id: Option<String>,
    search: Option<String>,
}

impl Filter {
    fn of(query: &HashMap<String, String>) -> Result<Self, String> {
        let mut filter = Self::default();
        for (key, value) in query {
            let malformed = |_| format!("{key} is malformed");
            match key.as_str() {
                "modified_after" => filter.modified_after = Some(value.parse().map_err(malformed)?),
                "active" => filter.active = Some(value.parse().map_err(|_| format!("{key} is malformed"))?),
                "team_id" => filter.team_id = Some(value.clone()),
                "search" => filter.search = Some(value.to_lowercase()),
                _ => {}
            }
        }
        Ok(filter)
    }

    fn admits(&self, application: &Application, modified: Timestamp) -> bool {
        self.modified_after.is_none_or(|after| modified > after)
            && self.active.is_none_or(|active| application.active == active)
            && self.team_id.as_ref().is_none_or(|team| application.team_id == *team)
            && self.search.as_ref().is_none_or(|sought| searched(application).contains(sought))
    }
}

fn searched(application: &Application) -> String {
    let subtitle = application.subtitle.as_deref().unwrap_or_default();
    format!("{}\n{}\n{}\n{subtitle}", application.id, application.name, application.team_id).to_lowercase()
}

fn document(application: &Application, modified: Timestamp) -> Value {
    json!({
        "id": application.id,
        "team_id": application.team_id,
        "name": application.name,
        "active": application.active,
        "subtitle": application.subtitle,
        "service_url": application.service_url,
        "last_modified": modified,
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default)]
    put: Option<Value>,
    #[serde(default)]
    remove: Option<String>,
}

async fn change(State(registry): State<Arc<Registry>>, body: Bytes) -> Response {
    let change: Change = match serde_json::from_slice(&body) {
        Ok(change) => change,
        Err(problem) => return error_reply(StatusCode::BAD_REQUEST, "malformed", &problem.to_string()),
    };
    match apply(&registry, change).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(registry::Refusal::State(error)) => unavailable(&error),
        Err(refusal @ registry::Refusal::Unknown(_)) => {
            error_reply(StatusCode::NOT_FOUND, "not_found", &refusal.to_string())
        }
        Err(refusal @ registry::Refusal::Malformed(_)) => {
            error_reply(StatusCode::BAD_REQUEST, "malformed", &refusal.to_string())
        }
    }
}

async fn apply(registry: &Registry, change: Change) -> Result<(), registry::Refusal> {
    if let Some(fields) = change.put {
        registry.put(fields).await?;
    }
    if let Some(id) = change.remove {
        registry.remove(&id).await?;
    }
    Ok(())
}
