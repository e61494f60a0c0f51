//! Desks, as many as a page has.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_saga::{Credential, Roster};
use mint_store::{Database, Row, Value};
use mint_types::{ApplicationId, CredentialKind, TeamId};

use super::rows;
use crate::desk::{Adoption, Desk};
use crate::store::StoreError;

const PAGE: &str = "SELECT * FROM applications WHERE application_id > $1 ORDER BY application_id LIMIT $2";
const TEAM_PAGE: &str = "SELECT * FROM applications WHERE application_id > $1 AND team_id = $3 \
     ORDER BY application_id LIMIT $2";
const ROSTERS_OF_PAGE: &str = "SELECT application_id, roster FROM adoption \
     WHERE application_id >= $1 AND application_id <= $2";
const CREDENTIALS_OF_PAGE: &str = "SELECT application_id, saga FROM credentials \
     WHERE application_id >= $1 AND application_id <= $2";

/// The desks after an application, by id.
pub(super) async fn desks(
    database: &Database,
    after: Option<&ApplicationId>,
    team: Option<&TeamId>,
    at_most: usize,
    longest: Duration,
) -> Result<Vec<Desk>, StoreError> {
    let mut args: Vec<Value> = vec![after.map_or("", ApplicationId::as_str).into(), limit(at_most)];
    let sql = match team {
        None => PAGE,
        Some(team) => {
            args.push(team.as_str().into());
            TEAM_PAGE
        }
    };
    let rows = database.query(sql, &args).await?;
    desks_of(database, &rows, longest).await
}

/// The desks of these rows, which are in order.
pub(super) async fn desks_of(
    database: &Database,
    rows: &[Row],
    longest: Duration,
) -> Result<Vec<Desk>, StoreError> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(Vec::new());
    };
    let range: [Value; 2] = [first.text("application_id")?.into(), last.text("application_id")?.into()];
    let mut credentials: BTreeMap<String, BTreeMap<CredentialKind, Credential>> = BTreeMap::new();
    for row in database.query(CREDENTIALS_OF_PAGE, &range).await? {
        let application = row.text("application_id")?;
        let (kind, credential) = rows::credential(&application, &row)?;
        credentials.entry(application).or_default().insert(kind, credential);
    }
    let mut rosters: BTreeMap<String, Roster> = BTreeMap::new();
    for row in database.query(ROSTERS_OF_PAGE, &range).await? {
        let application = row.text("application_id")?;
        let roster = rows::roster(&application, &row)?;
        rosters.insert(application, roster);
    }
    rows.iter()
        .map(|row| {
            let application = row.text("application_id")?;
            let roster = rosters.remove(&application).unwrap_or_default();
            let adoption = Adoption { roster, longest };
            rows::desk(row, credentials.remove(&application).unwrap_or_default(), adoption)
        })
        .collect()
}

/// A number of rows.
pub(super) fn limit(limit: usize) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}
