use mint_types::Timestamp;

use super::*;
use crate::adapters::memory::{application, naming};

fn known() -> Known {
    Known {
        username: "stups_kio".into(),
        client_id: Some("client-1".into()),
        stage: Stage::Enabled,
        intended: None,
        foreign: false,
        applied: Revision(5),
        scopes: vec!["sales_order.read".parse().unwrap()],
        settled: true,
        changed_at: Timestamp::from_unix_micros(0),
    }
}

fn act(takes: Option<Taking>) -> Step {
    Step::Act { takes }
}

#[test]
fn what_ensure_does_follows_from_state_and_record() {
    let record = application("kio", &["sales_order.read"]);
    let fewer = application("kio", &[]);
    let later = Application { identity_revision: Revision(6), ..record.clone() };
    let narrowed = Application { identity_revision: Revision(6), ..fewer.clone() };
    let inactive = Application { active: false, ..record.clone() };
    let held = Application { presence: Presence::Held, ..record.clone() };
    let reserved = application("kio", &["mint.admin"]);
    let unsettled = Known { settled: false, ..known() };
    let doubtful = Known { intended: Some(Stage::Disabled), ..known() };
    let disabled = Known { stage: Stage::Disabled, scopes: vec![], ..known() };
    let deleted = Known { stage: Stage::Deleted, scopes: vec![], ..known() };
    let begun = Known { stage: Stage::None, client_id: None, intended: Some(Stage::Enabled), ..known() };
    let table = [
        (None, &record, Ok(act(None))),
        (Some(known()), &record, Ok(Step::Answer)),
        (Some(unsettled), &record, Ok(Step::Settle)),
        (Some(known()), &later, Ok(act(None))),
        (Some(known()), &narrowed, Ok(act(Some(Taking::Scopes)))),
        (Some(doubtful), &record, Ok(act(None))),
        (Some(disabled), &record, Ok(act(None))),
        (Some(deleted), &record, Ok(act(None))),
        (Some(begun), &record, Ok(act(None))),
        (Some(known()), &inactive, Err(Refusal::Inactive)),
        (Some(known()), &held, Err(Refusal::Missing)),
        (None, &held, Err(Refusal::Missing)),
        (None, &reserved, Err(Refusal::Reserved("mint.admin".parse().unwrap()))),
    ];
    for (number, (known, record, expected)) in table.into_iter().enumerate() {
        assert_eq!(ensure(known.as_ref(), record, &naming()), expected, "row {number}");
    }
}

#[test]
fn what_disable_enable_and_delete_do_follows_from_state() {
    let active = application("kio", &["sales_order.read"]);
    let record = Application { active: false, ..active.clone() };
    let held = Application { presence: Presence::Held, ..record.clone() };
    let disabled = Known { stage: Stage::Disabled, scopes: vec![], ..known() };
    let unsettled = Known { settled: false, ..disabled.clone() };
    let doubtful = Known { intended: Some(Stage::Enabled), ..disabled.clone() };
    let deleting = Known { intended: Some(Stage::Deleted), ..disabled.clone() };
    let deleted = Known { stage: Stage::Deleted, ..disabled.clone() };

    assert_eq!(disable(None, &record), Ok(Step::Nobody));
    assert_eq!(disable(Some(&deleted), &record), Ok(Step::Nobody));
    assert_eq!(disable(Some(&disabled), &record), Ok(Step::Answer));
    assert_eq!(disable(Some(&unsettled), &record), Ok(Step::Settle));
    assert_eq!(disable(Some(&known()), &held), Err(Refusal::Missing));
    for in_doubt in [&known(), &doubtful, &deleting] {
        assert_eq!(disable(Some(in_doubt), &record), Ok(act(Some(Taking::Disable))));
    }

    assert_eq!(enable(None, &active, &naming()), Err(Refusal::Nobody));
    assert_eq!(enable(Some(&deleted), &active, &naming()), Err(Refusal::Nobody));
    assert_eq!(enable(Some(&disabled), &active, &naming()), Ok(act(None)));
    assert_eq!(enable(Some(&known()), &active, &naming()), Ok(Step::Answer));

    assert_eq!(delete(None, &record), Ok(Step::Nobody));
    assert_eq!(delete(Some(&deleted), &record), Ok(Step::Nobody));
    assert_eq!(delete(Some(&known()), &record), Err(Refusal::NotDisabled));
    assert_eq!(delete(Some(&doubtful), &record), Err(Refusal::NotDisabled));
    for ready in [&disabled, &deleting] {
        assert_eq!(delete(Some(ready), &record), Ok(act(Some(Taking::Delete))));
    }
    assert_eq!(delete(Some(&disabled), &held), Err(Refusal::Missing));
    for state in [&known(), &disabled, &doubtful, &deleting] {
        assert_eq!(disable(Some(state), &active), Err(Refusal::Active));
        assert_eq!(delete(Some(state), &active), Err(Refusal::Active));
    }
}
