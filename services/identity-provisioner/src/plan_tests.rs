use mint_types::{RemovedDestination, Timestamp};

use super::*;
use crate::adapters::memory::{application, naming};

const NOW: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);
const WEEK: Duration = Duration::from_hours(7 * 24);

pub(crate) fn known() -> Known {
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
        disabled_at: None,
        vanished_at: None,
        released: false,
        incarnation: 0,
    }
}

/// Disabled so long ago.
fn disabled_for(period: Duration) -> Known {
    let disabled_at =
        Timestamp::from_unix_micros(NOW.unix_micros() - i64::try_from(period.as_micros()).unwrap());
    Known { stage: Stage::Disabled, scopes: vec![], disabled_at: Some(disabled_at), ..known() }
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
    let maybe_deleted = Known { intended: Some(Stage::Deleted), ..disabled.clone() };
    let released = Known { released: true, ..deleted.clone() };
    let retired = Application { presence: Presence::Retired, active: false, ..record.clone() };
    let begun = Known { stage: Stage::None, client_id: None, intended: Some(Stage::Enabled), ..known() };
    let table = [
        (None, &record, Ok(act(None))),
        (Some(known()), &record, Ok(Step::Answer)),
        (Some(unsettled), &record, Ok(Step::Settle)),
        (Some(known()), &later, Ok(act(None))),
        (Some(known()), &narrowed, Ok(act(Some(Taking::Scopes)))),
        (Some(doubtful), &record, Ok(act(None))),
        (Some(disabled), &record, Ok(act(None))),
        (Some(deleted), &record, Err(Refusal::Deleted)),
        (Some(maybe_deleted.clone()), &record, Err(Refusal::Deleted)),
        (Some(Known { released: true, ..maybe_deleted }), &record, Ok(act(None))),
        (Some(released), &record, Ok(act(None))),
        (Some(known()), &retired, Err(Refusal::Missing)),
        (Some(begun), &record, Ok(act(None))),
        (Some(known()), &inactive, Err(Refusal::Inactive)),
        (Some(known()), &held, Err(Refusal::Missing)),
        (None, &held, Err(Refusal::Missing)),
        (None, &reserved, Err(Refusal::Reserved("mint.admin".parse().unwrap()))),
    ];
    for (number, (known, record, expected)) in table.into_iter().enumerate() {
        assert_eq!(ensure(known.as_ref(), record, &naming()), expected, "row {number}");
    }
    assert_eq!(put_again(&known(), &record), act(None));
    // whatever its revision says
    assert_eq!(put_again(&known(), &fewer), act(Some(Taking::Scopes)));
}

#[test]
fn what_disable_enable_and_delete_do_follows_from_state() {
    let delete = |known: Option<&Known>, record: &Application| delete(known, record, NOW, WEEK);
    let active = application("kio", &["sales_order.read"]);
    let record = Application { active: false, ..active.clone() };
    let held = Application { presence: Presence::Held, ..record.clone() };
    let disabled = disabled_for(WEEK);
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
    let retired = Application { presence: Presence::Retired, ..record };
    assert_eq!(disable(Some(&known()), &retired), Ok(act(Some(Taking::Disable))));
    assert_eq!(delete(Some(&disabled), &retired), Ok(act(Some(Taking::Delete))));
}

#[test]
fn nothing_is_deleted_before_its_tombstone_period_ended() {
    let record = Application { active: false, ..application("kio", &[]) };
    let micro = Duration::from_micros(1);
    let left = |remaining| Err(Refusal::TombstoneNotPassed { remaining });
    for (known, expected) in [
        (disabled_for(WEEK), Ok(act(Some(Taking::Delete)))),
        (disabled_for(WEEK.saturating_sub(micro)), left(micro)),
        (disabled_for(Duration::ZERO), left(WEEK)),
        // by a clock that ran backwards it was disabled in the future
        (Known { disabled_at: Some(NOW.plus(micro)), ..disabled_for(WEEK) }, left(WEEK + micro)),
        (Known { disabled_at: None, ..disabled_for(WEEK) }, left(WEEK)),
    ] {
        assert_eq!(delete(Some(&known), &record, NOW, WEEK), expected, "{known:?}");
    }
}

#[test]
fn a_disabled_identity_is_restored_whenever_the_catalog_says_that_it_is_in_use() {
    let record = application("kio", &["sales_order.read"]);
    let held = Application { presence: Presence::Held, ..record.clone() };
    let inactive = Application { active: false, ..record.clone() };
    let deleted = Known { stage: Stage::Deleted, ..disabled_for(WEEK) };
    let restore = |known: &Known, record: &Application| restore(Some(known), record, &naming());
    for record in [&record, &held] {
        assert_eq!(restore(&disabled_for(WEEK), record), Ok(act(None)));
        assert_eq!(restore(&known(), record), Ok(Step::Answer));
        assert_eq!(restore(&deleted, record), Err(Refusal::Deleted));
    }
    assert_eq!(restore(&disabled_for(WEEK), &inactive), Err(Refusal::Inactive));
    assert_eq!(super::restore(None, &record, &naming()), Err(Refusal::Nobody));
}

#[test]
fn objects_are_removed_only_where_the_catalog_justifies_it() {
    let active = application("kio", &[]);
    let record = Application { active: false, ..active.clone() };
    let held = Application { presence: Presence::Held, ..record.clone() };
    let retired = Application { presence: Presence::Retired, ..record.clone() };
    let deleted = Known { stage: Stage::Deleted, disabled_at: None, ..known() };
    let whole =
        |known: Option<&Known>, record: &Application| permit(Taking::Tombstone, known, record, NOW, WEEK);
    for gone in [&record, &retired] {
        assert_eq!(whole(Some(&disabled_for(WEEK)), gone), Ok(Removal::Application));
        assert_eq!(whole(Some(&deleted), gone), Ok(Removal::Application));
        assert_eq!(whole(Some(&known()), gone), Err(Refusal::NotDisabled));
        assert_eq!(whole(None, gone), Err(Refusal::Nobody));
        let early = whole(Some(&disabled_for(Duration::ZERO)), gone);
        assert_eq!(early, Err(Refusal::TombstoneNotPassed { remaining: WEEK }));
    }
    assert_eq!(whole(Some(&disabled_for(WEEK)), &active), Err(Refusal::Active));
    assert_eq!(whole(Some(&disabled_for(WEEK)), &held), Err(Refusal::Missing));

    let moved = |record: &Application| permit(Taking::Destinations, Some(&known()), record, NOW, WEEK);
    assert_eq!(moved(&active), Err(Refusal::NothingRemoved));
    let removed = RemovedDestination {
        bucket: mint_types::Bucket {
            name: "team-a".parse().unwrap(),
            region: None,
            endpoint: None,
            kms_key_id: None,
        },
        account_id: None,
        key: "kio/user.json".into(),
        settings_generation: 2,
        removed_at: NOW,
    };
    let changed = Application { removed_destinations: vec![removed], settings_generation: 3, ..active };
    assert_eq!(moved(&changed), Ok(Removal::Destinations { settings_generation: 3 }));
    let lost = Application { presence: Presence::Held, ..changed };
    assert_eq!(moved(&lost), Err(Refusal::Missing));
}

#[test]
fn an_orphan_is_disabled_rests_and_is_deleted() {
    let stray = |stage, intended, rested: Duration| Stray {
        username: "stups_x".into(),
        stage,
        intended,
        disabled_at: disabled_for(rested).disabled_at,
    };
    let next = |known: &Stray| super::stray(Some(known), NOW, WEEK);
    assert_eq!(super::stray(None, NOW, WEEK), StrayStep::Disable);
    assert_eq!(next(&stray(Stage::None, Some(Stage::Disabled), WEEK)), StrayStep::Disable);
    assert_eq!(next(&stray(Stage::Disabled, None, Duration::ZERO)), StrayStep::Wait);
    assert_eq!(next(&stray(Stage::Disabled, None, WEEK)), StrayStep::Delete);
    assert_eq!(next(&stray(Stage::Disabled, Some(Stage::Deleted), WEEK)), StrayStep::Delete);
    assert_eq!(next(&stray(Stage::Deleted, None, WEEK)), StrayStep::Disable);
}
