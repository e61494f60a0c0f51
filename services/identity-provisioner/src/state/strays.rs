//! Users that belong to no application and whose removal an operator asked for.

use std::time::Duration;

use mint_store::{Row, Transaction};
use mint_types::{ApplicationId, Timestamp};

use super::{ONE as IDENTITY, State, books, known, stage};
use crate::{
    Error,
    elapsed::Moment,
    model::{Stage, Stray},
    plan::{Refusal, Taking},
};

/// So long after its intent a call of a removal may still take effect: nobody sends one later than half of that.
pub const CALL_LIFE: Duration = Duration::from_mins(4);

const ONE: &str = "SELECT * FROM strays WHERE username = $1";
const ALL: &str = "SELECT * FROM strays WHERE stage = 'disabled' OR intended IS NOT NULL ORDER BY username";
const INTEND: &str = include_str!("../sql/strays_intend.sql");
const APPLY: &str = "UPDATE strays SET stage = $2, intended = NULL, disabled_at = \
     CASE WHEN $2 <> 'disabled' THEN NULL WHEN stage = 'disabled' THEN COALESCE(disabled_at, $3) ELSE $3 END \
     WHERE username = $1 AND intended = $2";
const GIVE_UP: &str =
    "UPDATE strays SET stage = 'none', intended = NULL, disabled_at = NULL WHERE username = $1";

#[mint_port::points(service = "identity-provisioner", name = "strays", list = STRAY_POINTS)]
impl State {
    /// What is known of a stray user.
    #[read]
    pub async fn stray(&self, username: &str) -> Result<Option<Stray>, Error> {
        let row = self.database.query_optional(ONE, &[username.into()]).await?;
        row.as_ref().map(stray).transpose()
    }

    /// Those whose removal was begun and is not over.
    #[read]
    pub async fn strays(&self) -> Result<Vec<Stray>, Error> {
        self.database.query(ALL, &[]).await?.iter().map(stray).collect()
    }

    /// Makes durable what is about to be asked, if no application has the user by now and somebody pays for it. `subject` is
    /// in whose name it is counted.
    pub async fn intend_stray(
        &self,
        of: (&str, Option<&ApplicationId>),
        subject: &str,
        stage: Stage,
        takes: Taking,
        moment: &Moment,
    ) -> Result<(), Error> {
        let (bounds, (username, application)) = (self.bounds(), of);
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    // another replica may have made the user an application's since the catalog was asked
                    if let Some(application) = application {
                        let row =
                            transaction.query_optional(IDENTITY, &[application.as_str().into()]).await?;
                        let owner = row.as_ref().map(known).transpose()?;
                        if owner.is_some_and(|owner| !owner.is_surely(Stage::Deleted)) {
                            return Err(Refusal::Belongs.into());
                        }
                    }
                    books::spend(transaction, subject, takes, bounds, moment).await?;
                    let now = books::time(transaction, moment).await?;
                    transaction
                        .execute(INTEND, &[username.into(), stage.as_str().into(), now.into()])
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Makes durable what the issuer confirmed, if that is what is still intended. `Stage::None` gives the removal up, and is
    /// refused while a call of it may still take effect.
    pub async fn apply_stray(&self, username: &str, stage: Stage, moment: &Moment) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    if stage == Stage::None {
                        return take_over(transaction, username, moment).await;
                    }
                    let now = books::time(transaction, moment).await?;
                    let args = [username.into(), stage.as_str().into(), now.into()];
                    transaction.execute(APPLY, &args).await?;
                    Ok(())
                })
            })
            .await
    }
}

/// An application takes the user over: its removal ends here, unless a call of it may still take effect.
pub(super) async fn take_over(
    transaction: &mut Transaction<'_>,
    username: &str,
    moment: &Moment,
) -> Result<(), Error> {
    let Some(row) = transaction.query_optional(ONE, &[username.into()]).await? else { return Ok(()) };
    if row.text("stage")? == Stage::None.as_str() && row.optional_text("intended")?.is_none() {
        return Ok(());
    }
    let now = books::time(transaction, moment).await?;
    in_flight(&row, now)?;
    transaction.execute(GIVE_UP, &[username.into()]).await?;
    Ok(())
}

/// Refuses while a call that was not answered may still take effect.
fn in_flight(row: &Row, now: Timestamp) -> Result<(), Error> {
    let sent = row.optional_text("intended")?.and(row.optional_timestamp("intended_at")?);
    let remaining = sent.map_or(Duration::ZERO, |sent| sent.plus(CALL_LIFE).since(now).min(CALL_LIFE));
    if remaining.is_zero() { Ok(()) } else { Err(Refusal::BeingRemoved { remaining }.into()) }
}

fn stray(row: &Row) -> Result<Stray, Error> {
    Ok(Stray {
        username: row.text("username")?,
        stage: stage("stage", &row.text("stage")?)?,
        intended: row.optional_text("intended")?.map(|text| stage("intended", &text)).transpose()?,
        disabled_at: row.optional_timestamp("disabled_at")?,
    })
}
