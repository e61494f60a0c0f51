//! Which redirect URL each client may have.

use mint_store::{Row, Transaction};
use mint_types::ApplicationId;

use crate::{Error, redirect::Pin};

pub(super) const ONE: &str = "SELECT * FROM redirects WHERE application_id = $1";
const PUT: &str = "INSERT INTO redirects (application_id, url, stated_at, held) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (application_id) DO UPDATE SET \
     url = excluded.url, stated_at = excluded.stated_at, held = excluded.held";

pub(super) fn pin(row: &Row) -> Result<Pin, Error> {
    Ok(Pin {
        url: row.optional_text("url")?,
        stated_at: row.optional_timestamp("stated_at")?,
        held: row.optional_text("held")?,
    })
}

/// Written with the intent: before the issuer is asked.
pub(super) async fn put(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    pin: &Pin,
) -> Result<(), Error> {
    let args = [
        application.as_str().into(),
        pin.url.as_deref().into(),
        pin.stated_at.into(),
        pin.held.as_deref().into(),
    ];
    transaction.execute(PUT, &args).await?;
    Ok(())
}
