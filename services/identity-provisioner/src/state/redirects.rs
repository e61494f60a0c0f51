//! Which redirect URL and which type each client may have, and on whose word.

use mint_store::{Row, Transaction};
use mint_types::{ApplicationId, TeamId};

use super::corrupt;
use crate::{
    Error,
    redirect::{Heir, Pin},
};

pub(super) const ONE: &str = "SELECT * FROM redirects WHERE application_id = $1";
const PUT: &str = include_str!("../sql/redirects_put.sql");

pub(super) fn pin(row: &Row) -> Result<Pin, Error> {
    let heir = team(row, "heir")?.zip(row.optional_timestamp("heir_since")?);
    Ok(Pin {
        team: team(row, "team")?,
        heir: heir.map(|(team, since)| Heir { team, since }),
        url: row.optional_text("url")?,
        is_public: row.optional_integer("is_public")?.map(|number| number != 0),
        stated_at: row.optional_timestamp("stated_at")?,
        held: row.optional_text("held")?,
        is_type_held: row.boolean("is_type_held")?,
    })
}

fn team(row: &Row, column: &str) -> Result<Option<TeamId>, Error> {
    row.optional_text(column)?.map(|text| text.parse().map_err(|_| corrupt(column))).transpose()
}

/// Written with the intent: before the issuer is asked.
pub(super) async fn put(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    pin: &Pin,
) -> Result<(), Error> {
    let heir = pin.heir.as_ref();
    let args = [
        application.as_str().into(),
        pin.url.as_deref().into(),
        pin.stated_at.into(),
        pin.held.as_deref().into(),
        pin.team.as_ref().map(TeamId::as_str).into(),
        heir.map(|heir| heir.team.as_str()).into(),
        heir.map(|heir| heir.since).into(),
        pin.is_public.into(),
        pin.is_type_held.into(),
    ];
    transaction.execute(PUT, &args).await?;
    Ok(())
}
