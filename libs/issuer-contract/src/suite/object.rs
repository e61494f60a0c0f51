//! What versions do, while every call is answered.

use mint_types::IssuerObject;

use super::{Identity, Outcome, Run, Version, failed};
use crate::{Ends, Handle, IssuerError, LateEnd};

pub(super) async fn check(run: &mut Run<'_>) {
    let ends = run.ends();
    if !ends.makes_beside() {
        let outcome = set_value(run).await;
        run.note(
            "a value that was set is the only one, at once, and setting it again changes nothing",
            outcome,
        );
        return;
    }
    let outcome = beside(run).await;
    run.note("a version that was made logs in beside the previous one", outcome);
    let outcome = if ends.is_told() { ended(run).await.into() } else { Outcome::Skipped };
    run.note("ending ends exactly the previous versions, and may be repeated", outcome);
    let declared = run.bench.driver().declares().of(run.object).late_end;
    let is_harmless = ends.is_told() && declared == LateEnd::Harmless;
    let outcome = if is_harmless { late(run).await.into() } else { Outcome::Skipped };
    run.note("an end that comes once more after a newer version was made ends nothing", outcome);
    let outcome = if ends.is_told() { unknown_handle(run).await.into() } else { Outcome::Skipped };
    run.note("a handle that the issuer does not know is refused, and ends nothing", outcome);
    let outcome = if ends.is_told() { known(run).await } else { Outcome::Skipped };
    run.note("a user that is there is known, and a stranger is not", outcome);
    let outcome = another(run).await;
    run.note("nothing happens to another identity", outcome);
    let outcome = if run.bench.driver().declares().of(run.object).lists {
        listed(run).await.into()
    } else {
        Outcome::Skipped
    };
    run.note("an issuer that lists counts what is alive", outcome);
}

/// Two versions, both made by now.
async fn two(run: &Run<'_>, identity: &Identity) -> Result<(Version, Version), String> {
    let first = run.create(identity).await.map_err(|error| failed("the first create", &error))?;
    if run.ends().is_told() {
        run.end(identity, &first.handle).await.map_err(|error| failed("ending nothing", &error))?;
    }
    let second = run.create(identity).await.map_err(|error| failed("the second create", &error))?;
    Ok((first, second))
}

async fn beside(run: &Run<'_>) -> Result<(), String> {
    let identity = run.bench.identity().await;
    let (first, second) = two(run, &identity).await?;
    if first.secret.expose() == second.secret.expose() {
        return Err("two versions have one secret".to_owned());
    }
    run.expect_login(&identity, &first, true).await?;
    run.expect_login(&identity, &second, true).await
}

async fn ended(run: &Run<'_>) -> Result<(), String> {
    let identity = run.bench.identity().await;
    let (first, second) = two(run, &identity).await?;
    for call in ["ending", "ending again"] {
        run.end(&identity, &second.handle).await.map_err(|error| failed(call, &error))?;
        run.expect_login(&identity, &second, true).await?;
    }
    let grace = run.ends().grace();
    if !grace.is_zero() {
        run.bench.pass(grace).await;
    }
    run.expect_login(&identity, &second, true).await?;
    run.expect_login(&identity, &first, false).await?;
    let third = run.create(&identity).await.map_err(|error| failed("the next create", &error))?;
    run.expect_login(&identity, &second, true).await?;
    run.expect_login(&identity, &third, true).await
}

async fn late(run: &Run<'_>) -> Result<(), String> {
    let identity = run.bench.identity().await;
    let (_, second) = two(run, &identity).await?;
    run.end(&identity, &second.handle).await.map_err(|error| failed("ending", &error))?;
    let third = run.create(&identity).await.map_err(|error| failed("the next create", &error))?;
    run.end(&identity, &second.handle).await.map_err(|error| failed("ending once more", &error))?;
    run.bench.pass(run.ends().grace()).await;
    run.expect_login(&identity, &second, true).await?;
    run.expect_login(&identity, &third, true).await
}

async fn unknown_handle(run: &Run<'_>) -> Result<(), String> {
    let identity = run.bench.identity().await;
    let (first, second) = two(run, &identity).await?;
    let unknown = ["987654", "nobody-knows-this-handle"].into_iter().filter_map(Handle::new);
    for handle in unknown {
        match run.end(&identity, &handle).await {
            Ok(()) => return Err(format!("{handle} is taken")),
            Err(error) if !error.surely_without_effect() => return Err(failed("ending", &error)),
            Err(_) => {}
        }
    }
    run.bench.pass(run.ends().grace()).await;
    run.expect_login(&identity, &first, true).await?;
    run.expect_login(&identity, &second, true).await
}

async fn known(run: &Run<'_>) -> Outcome {
    let identity = run.bench.identity().await;
    let stranger = Identity { username: format!("{}-nobody", identity.username), ..identity.clone() };
    for (whose, expected) in [(&identity, true), (&stranger, false)] {
        match run.bench.driver().knows(whose.subject(run.object)).await {
            Ok(said) if said == expected => {}
            Ok(said) => return Outcome::Broken(format!("{said} is answered where {expected} is true")),
            Err(IssuerError::Unsupported(_)) => return Outcome::Skipped,
            Err(error) => return Outcome::Broken(failed("looking up", &error)),
        }
    }
    Outcome::Kept
}

async fn another(run: &Run<'_>) -> Result<(), String> {
    let (one, other) = (run.bench.identity().await, run.bench.identity().await);
    let of_other = run.create(&other).await.map_err(|error| failed("create", &error))?;
    let (_, second) = two(run, &one).await?;
    if run.ends().is_told() {
        run.end(&one, &second.handle).await.map_err(|error| failed("ending", &error))?;
        run.bench.pass(run.ends().grace()).await;
    }
    run.expect_login(&other, &of_other, true).await?;
    if run.object == IssuerObject::User {
        // the same secret opens no other user's door
        return run.expect(&one, &one.client_id, &of_other.secret, false).await;
    }
    Ok(())
}

async fn listed(run: &Run<'_>) -> Result<(), String> {
    let identity = run.bench.identity().await;
    let alive = async || run.bench.driver().alive(identity.subject(run.object)).await;
    let count = |answer: Result<usize, IssuerError>| answer.map_err(|error| failed("listing", &error));
    let before = count(alive().await)?;
    let (_, second) = two(run, &identity).await?;
    let both = count(alive().await)?;
    if both < 2 {
        return Err(format!("{both} are counted when two are alive"));
    }
    if run.ends() == Ends::OwnCall {
        run.end(&identity, &second.handle).await.map_err(|error| failed("ending", &error))?;
        let after = count(alive().await)?;
        if after != 1 {
            return Err(format!("{before} before, {both} with two, {after} are counted when one is alive"));
        }
    }
    Ok(())
}

async fn set_value(run: &Run<'_>) -> Result<(), String> {
    let identity = run.bench.identity().await;
    let value = || run.value().ok_or_else(|| "an issuer of this kind cannot make the value".to_owned());
    let (first, second) = (value()?, value()?);
    let subject = identity.subject(run.object);
    for (value, call) in [(&first, "setting"), (&second, "setting another"), (&second, "setting it again")] {
        run.bench.driver().set(subject, value).await.map_err(|error| failed(call, &error))?;
        run.expect(&identity, &identity.client_id, value, true).await?;
    }
    run.expect(&identity, &identity.client_id, &first, false).await?;
    let other = run.bench.identity().await;
    let of_other = value()?;
    run.bench
        .driver()
        .set(other.subject(run.object), &of_other)
        .await
        .map_err(|error| failed("set", &error))?;
    run.expect(&identity, &identity.client_id, &second, true).await
}
