//! What a driver says when calls fail.

use std::time::Duration;

use super::{Identity, Outcome, Run, Trouble, failed};
use crate::{Handle, IssuerError};

const STATUSES: &str = "404, 429 and 5xx are told apart, and nothing is ended by them";
const LOST: &str = "a lost answer is an unknown outcome, and the next version's end sweeps what it made";

pub(super) async fn check(run: &mut Run<'_>) {
    let outcome = statuses(run).await;
    run.note(STATUSES, outcome);
    let outcome =
        if run.ends().is_told() || !run.ends().makes_beside() { lost(run).await } else { Outcome::Skipped };
    run.note(LOST, outcome);
}

/// The call that changes something for consumers: the end of a version, or the set of another.
async fn change(run: &Run<'_>, identity: &Identity, keep: Option<&Handle>) -> Result<(), IssuerError> {
    match (keep, run.value()) {
        (Some(keep), _) if run.ends().is_told() => run.end(identity, keep).await,
        (_, Some(value)) if !run.ends().makes_beside() => {
            run.bench.driver().set(identity.subject(run.object), &value).await
        }
        _ => run.create(identity).await.map(drop),
    }
}

async fn statuses(run: &Run<'_>) -> Outcome {
    let identity = run.bench.identity().await;
    let (in_use, keep) = match in_use(run, &identity).await {
        Ok(version) => version,
        Err(seen) => return Outcome::Broken(seen),
    };
    for status in [404, 403, 429, 500, 503] {
        if !run.bench.arm(Trouble::Answers(status)).await {
            return Outcome::Skipped;
        }
        let answer = change(run, &identity, keep.as_ref()).await;
        let right = match (status, &answer) {
            (404 | 403, Err(IssuerError::Refused { status: said })) => *said == status,
            (429, Err(IssuerError::RateLimited { retry_after })) => *retry_after == Duration::from_secs(7),
            (500 | 503, Err(IssuerError::Unknown(_))) => true,
            _ => false,
        };
        if !right {
            let seen = answer.map_or_else(|error| error.to_string(), |()| "success".to_owned());
            return Outcome::Broken(format!("status {status} became: {seen}"));
        }
    }
    run.bench.pass(run.ends().grace()).await;
    run.expect(&identity, &in_use.0, &in_use.1, true).await.into()
}

/// A version that consumers use, and the handle of one that may follow it.
async fn in_use(
    run: &Run<'_>,
    identity: &Identity,
) -> Result<((String, mint_secret::SecretValue), Option<Handle>), String> {
    if !run.ends().makes_beside() {
        let value = run.value().ok_or("an issuer of this kind cannot make the value")?;
        let set = run.bench.driver().set(identity.subject(run.object), &value).await;
        set.map_err(|error| failed("set", &error))?;
        return Ok(((identity.client_id.clone(), value), None));
    }
    let first = run.create(identity).await.map_err(|error| failed("create", &error))?;
    let keep = if run.ends().is_told() {
        run.end(identity, &first.handle).await.map_err(|error| failed("end", &error))?;
        Some(run.create(identity).await.map_err(|error| failed("create", &error))?.handle)
    } else {
        None
    };
    Ok(((first.client_id, first.secret), keep))
}

async fn lost(run: &Run<'_>) -> Outcome {
    if run.ends().makes_beside() { lost_create(run).await } else { lost_set(run).await }
}

async fn lost_create(run: &Run<'_>) -> Outcome {
    let identity = run.bench.identity().await;
    let first = match run.create(&identity).await {
        Ok(first) => first,
        Err(error) => return Outcome::Broken(failed("create", &error)),
    };
    if !run.bench.arm(Trouble::LosesTheAnswer).await {
        return Outcome::Skipped;
    }
    match run.create(&identity).await {
        Err(IssuerError::Unknown(_)) => {}
        Err(error) => return Outcome::Broken(failed("a create whose answer was lost", &error)),
        Ok(_) => return Outcome::Broken("a lost answer was answered".to_owned()),
    }
    let swept = async {
        run.expect_login(&identity, &first, true).await?;
        let kept = run.create(&identity).await.map_err(|error| failed("the repeated create", &error))?;
        if !run.bench.arm(Trouble::LosesTheAnswer).await {
            return Err("the bench loses only one answer".to_owned());
        }
        match run.end(&identity, &kept.handle).await {
            Err(IssuerError::Unknown(_)) => {}
            other => return Err(format!("an end whose answer was lost: {other:?}")),
        }
        run.end(&identity, &kept.handle).await.map_err(|error| failed("the repeated end", &error))?;
        run.bench.pass(run.ends().grace()).await;
        run.expect_login(&identity, &kept, true).await?;
        run.expect_login(&identity, &first, false).await?;
        if run.bench.driver().declares().of(run.object).lists {
            let alive = run.bench.driver().alive(identity.subject(run.object)).await;
            let alive = alive.map_err(|error| failed("listing", &error))?;
            if alive != 1 {
                return Err(format!("{alive} are alive after the sweep"));
            }
        }
        Ok(())
    };
    swept.await.into()
}

async fn lost_set(run: &Run<'_>) -> Outcome {
    let identity = run.bench.identity().await;
    let Some(value) = run.value() else {
        return Outcome::Broken("an issuer of this kind cannot make the value".to_owned());
    };
    if !run.bench.arm(Trouble::LosesTheAnswer).await {
        return Outcome::Skipped;
    }
    let (driver, subject) = (run.bench.driver(), identity.subject(run.object));
    match driver.set(subject, &value).await {
        Err(IssuerError::Unknown(_)) => {}
        other => return Outcome::Broken(format!("a set whose answer was lost: {other:?}")),
    }
    if let Err(error) = driver.set(subject, &value).await {
        return Outcome::Broken(failed("the repeated set", &error));
    }
    run.expect(&identity, &identity.client_id, &value, true).await.into()
}
