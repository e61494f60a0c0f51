//! Users that belong to no application and whose removal an operator asked for.

use mint_store::Row;

use super::{State, books, stage};
use crate::{
    Error,
    elapsed::Moment,
    model::{Stage, Stray},
    plan::Taking,
};

const ONE: &str = "SELECT * FROM strays WHERE username = $1";
const ALL: &str = "SELECT * FROM strays WHERE stage = 'disabled' OR intended IS NOT NULL ORDER BY username";
const INTEND: &str = include_str!("../sql/strays_intend.sql");
const APPLY: &str = "UPDATE strays SET stage = $2, intended = NULL, disabled_at = \
     CASE WHEN $2 <> 'disabled' THEN NULL WHEN stage = 'disabled' THEN COALESCE(disabled_at, $3) ELSE $3 END \
     WHERE username = $1";

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

    /// Makes durable what is about to be asked, if somebody pays for it. `subject` is in whose name it is counted.
    pub async fn intend_stray(
        &self,
        username: &str,
        subject: &str,
        stage: Stage,
        takes: Taking,
        moment: &Moment,
    ) -> Result<(), Error> {
        let bounds = self.bounds();
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    books::spend(transaction, subject, takes, bounds, moment).await?;
                    transaction.execute(INTEND, &[username.into(), stage.as_str().into()]).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Makes durable what the issuer confirmed; `Stage::None` gives the removal up.
    pub async fn apply_stray(&self, username: &str, stage: Stage, moment: &Moment) -> Result<(), Error> {
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    let now = books::time(transaction, moment).await?;
                    let args = [username.into(), stage.as_str().into(), now.into()];
                    transaction.execute(APPLY, &args).await?;
                    Ok(())
                })
            })
            .await
    }
}

fn stray(row: &Row) -> Result<Stray, Error> {
    Ok(Stray {
        username: row.text("username")?,
        stage: stage("stage", &row.text("stage")?)?,
        intended: row.optional_text("intended")?.map(|text| stage("intended", &text)).transpose()?,
        disabled_at: row.optional_timestamp("disabled_at")?,
    })
}
