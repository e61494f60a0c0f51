use super::*;

fn written(complete: bool, objects: Vec<DestinationAnswer>) -> Answered {
    answered(Overwritten { objects, complete })
}

fn refusal(key: &str) -> Failure {
    Failure { destination: Some(key.to_owned()), ..Failure::new("DESTINATION_REFUSED", "403") }
}

#[test]
fn objects_that_are_not_overwritten_are_one_failure_that_names_their_keys() {
    let objects = vec![
        DestinationAnswer::Written,
        DestinationAnswer::Refused(refusal("one/app/user.json")),
        DestinationAnswer::Refused(refusal("two/app/user.json")),
    ];
    let Answered::Some { failure, is_final } = written(false, objects) else { panic!("not all") };
    assert!(is_final, "each of them was answered");
    assert_eq!(
        failure.detail,
        "still there: one/app/user.json (destination_refused), two/app/user.json (destination_refused)"
    );
    assert!(matches!(written(true, vec![DestinationAnswer::Written]), Answered::All));
}

#[test]
fn an_answer_that_says_of_no_object_why_is_not_final() {
    for objects in
        [vec![], vec![DestinationAnswer::Written], vec![DestinationAnswer::Unknown(refusal("a/b"))]]
    {
        let Answered::Some { is_final, .. } = written(false, objects) else { panic!("not complete") };
        assert!(!is_final);
    }
}

#[test]
fn many_keys_are_counted_and_not_all_named() {
    let objects = (0..25).map(|number| DestinationAnswer::Refused(refusal(&format!("b/{number}")))).collect();
    let Answered::Some { failure, .. } = written(false, objects) else { panic!("not all") };
    assert!(failure.detail.ends_with("b/9 (destination_refused), and 15 more"), "{}", failure.detail);
}

const NOW: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

fn not_overwritten(attempts: u32, are_unreached: bool, is_final: bool) -> NotOverwritten {
    let mut trouble = Trouble::after(None, &[refusal("a/b")], None, NOW, Duration::ZERO);
    trouble.attempts = attempts;
    NotOverwritten { trouble, are_unreached, is_final }
}

#[test]
fn stores_hold_a_deletion_up_for_a_bounded_number_of_tries_and_mints_own_services_do_as_long_as_they_fail() {
    let condemned = Removal { tombstone_until: NOW, objects: Objects::Condemned, trouble: None };
    let settled = Objects::Settled { delete_at: NOW };
    for (not, objects) in [
        (None, settled),
        (Some(not_overwritten(1, true, true)), settled),
        (Some(not_overwritten(1, true, false)), Objects::Condemned),
        (Some(not_overwritten(MOST_TRIES, true, false)), settled),
        (Some(not_overwritten(100, false, false)), Objects::Condemned),
    ] {
        assert_eq!(after_overwriting(&condemned, not.clone(), NOW).objects, objects, "{not:?}");
    }
    let later = NOW.plus(Duration::from_hours(1));
    let again = Removal { objects: settled, ..condemned };
    assert_eq!(after_overwriting(&again, None, later).objects, settled, "the deletion is not put off");
}
