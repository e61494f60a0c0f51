use super::*;
use crate::execute::Rules;

const WAIT: Duration = Duration::from_hours(24);

impl World {
    /// An envelope with password and client as one version.
    pub(super) fn combined(&self, version: u64) -> Delivery {
        let subject = Subject { kind: CredentialKind::Combined, ..self.subject(version) };
        let stamp = Stamp { version_id: subject.version_id, issued_at: self.clock.now() };
        let secret = || SecretValue::new(PASSWORD.to_owned());
        let body = ObjectBody::combined("stups_shop", &secret(), "id", &secret(), stamp).unwrap();
        self.sealed(&self.rotator, &subject, body.expose())
    }
}

fn reasons(delivered: &Delivered) -> Vec<&'static str> {
    let reason = |state: &LineState| match state {
        LineState::Written => "written",
        LineState::Refused(trouble) | LineState::Unknown(trouble) => trouble.reason,
        LineState::Waiting { .. } => "waiting",
    };
    delivered.lines.iter().map(|line| reason(&line.state)).collect()
}

#[tokio::test]
async fn no_secret_goes_to_a_new_bucket_before_a_day_and_the_others_are_served() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    world.set_buckets(&["one-bucket", "two-bucket"]);
    let delivery = world.delivery(7);
    let early = world.deliver(&delivery).await.unwrap();
    assert_eq!(reasons(&early), ["written", "DESTINATION_UNCONFIRMED"]);
    assert_eq!(early.receipt, None);
    world.clock.advance(WAIT.saturating_sub(Duration::from_secs(1)));
    assert_eq!(reasons(&world.deliver(&delivery).await.unwrap())[1], "DESTINATION_UNCONFIRMED");
    assert_eq!(world.store.object("two-bucket/mint/shop/user.json"), None);
    world.clock.advance(Duration::from_secs(1));
    let late = world.deliver(&delivery).await.unwrap();
    assert_eq!(world.receipt(&late).destinations.len(), 2);
    let reason = "DESTINATION_UNCONFIRMED";
    assert_eq!(world.heard()[2..4], [None, Some(Outcome::Failure { reason })], "said when it was noticed");
}

#[tokio::test]
async fn an_owner_who_signs_removes_a_bucket_at_once() {
    let world = world(&["one-bucket", "two-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    world.set_buckets(&["two-bucket"]);
    world.state("team/team");
    let delivered = world.deliver(&world.delivery(7)).await.unwrap();
    assert_eq!((world.receipt(&delivered).destinations.len(), world.store.put_count()), (1, 3));
}

#[tokio::test]
async fn a_removed_bucket_that_refuses_withholds_the_receipt_until_somebody_signs_that_it_is_given_up() {
    let world = world(&["one-bucket", "two-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    world.set_buckets(&["one-bucket"]);
    world.clock.advance(WAIT * 2);
    world.store.will_answer("two-bucket", refused());
    let delivery = world.delivery(7);
    let delivered = world.deliver(&delivery).await.unwrap();
    assert_eq!((reasons(&delivered), &delivered.receipt), (vec!["written", "DESTINATION_REFUSED"], &None));
    assert!(matches!(&delivered.lines[1].state,
        LineState::Refused(trouble) if trouble.next_action.contains("mint app confirm")));
    world.state("operator/ada");
    let confirmed = world.deliver(&delivery).await.unwrap();
    assert_eq!(world.receipt(&confirmed).destinations.len(), 1);
}

#[tokio::test]
async fn another_layout_is_written_once_its_owner_or_an_operator_signs_and_not_by_time_alone() {
    for signer in ["team/team", "operator/ada"] {
        let world = world(&["one-bucket"]).await;
        world.deliver(&world.delivery(6)).await.unwrap();
        world.settings(|settings| settings.layout = Layout::Combined);
        let combined = world.combined(7);
        for _ in 0..2 {
            let held = world.deliver(&combined).await.unwrap();
            assert_eq!((reasons(&held), &held.receipt), (vec!["DESTINATION_UNCONFIRMED"], &None));
            assert!(matches!(&held.lines[0].state,
                LineState::Refused(trouble) if trouble.next_action.contains("no time alone confirms it")));
            world.clock.advance(WAIT * 10);
        }
        world.state(signer);
        assert!(world.deliver(&combined).await.unwrap().receipt.is_some());
    }
}

/// What the pins of a day let through at once: nobody signs, and nothing of it is counted anywhere.
#[tokio::test]
async fn a_fleet_whose_layouts_are_flipped_keeps_its_objects_however_long_that_is_asked_for() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    let before = world.store.object("one-bucket/mint/shop/user.json");
    for (version, layout) in [(7, Layout::Combined), (8, Layout::Split), (9, Layout::Combined)] {
        world.settings(|settings| settings.layout = layout);
        if layout == Layout::Combined {
            for _ in 0..3 {
                let held = world.deliver(&world.combined(version)).await.unwrap();
                assert_eq!((reasons(&held), held.receipt), (vec!["DESTINATION_UNCONFIRMED"], None));
                world.clock.advance(WAIT);
            }
        }
    }
    assert_eq!(world.store.object("one-bucket/mint/shop/user.json"), before);
    assert_eq!(world.store.object("one-bucket/mint/shop/credentials.json"), None);
    assert_eq!(world.store.put_count(), 1);
}

#[tokio::test]
async fn after_a_change_of_owner_nothing_is_written_until_the_new_one_confirms() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    world.catalog.record.lock().unwrap().team_id = "other".parse().unwrap();
    let delivery = world.delivery(7);
    let held = world.deliver(&delivery).await.unwrap();
    assert_eq!((reasons(&held), &held.receipt), (vec!["DESTINATION_UNCONFIRMED"], &None));
    world.clock.advance(WAIT * 100);
    assert_eq!(reasons(&world.deliver(&delivery).await.unwrap()), ["DESTINATION_UNCONFIRMED"]);
    world.state("team/stranger");
    assert_eq!(reasons(&world.deliver(&delivery).await.unwrap()), ["DESTINATION_UNCONFIRMED"], "nobody's");
    assert_eq!(world.store.put_count(), 1);
    world.state("team/other");
    assert!(world.deliver(&delivery).await.unwrap().receipt.is_some());
}

#[tokio::test]
async fn a_change_of_owner_is_confirmed_at_once_by_the_former_one_or_an_operator_and_nobody_else() {
    for (signer, is_believed) in [("team/team", true), ("operator/ada", true), ("team/other", false)] {
        let world = world(&["one-bucket"]).await;
        world.deliver(&world.delivery(6)).await.unwrap();
        world.set_buckets(&["two-bucket"]);
        world.catalog.record.lock().unwrap().team_id = "other".parse().unwrap();
        world.state(signer);
        let delivery = world.delivery(7);
        assert_eq!(world.deliver(&delivery).await.unwrap().receipt.is_some(), is_believed, "{signer}");
        world.clock.advance(WAIT.saturating_sub(Duration::from_secs(1)));
        assert_eq!(world.deliver(&delivery).await.unwrap().receipt.is_some(), is_believed, "{signer}");
        world.clock.advance(Duration::from_secs(1));
        assert!(world.deliver(&delivery).await.unwrap().receipt.is_some(), "{signer}: after a day");
    }
}

#[tokio::test]
async fn the_owners_statement_opens_a_new_bucket_at_once_and_is_said() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    world.set_buckets(&["one-bucket", "two-bucket"]);
    world.state("team/team");
    assert!(world.deliver(&world.delivery(7)).await.unwrap().receipt.is_some());
    let acts: Vec<_> = world.audit.entries().iter().map(|entry| entry.act.action).collect();
    assert_eq!(acts[2..4], ["destination.confirm", "destination.confirm"]);
}

#[tokio::test]
async fn a_withdrawn_key_is_not_believed_a_moment_longer() {
    let world = world(&["one-bucket"]).await;
    world.deliver(&world.delivery(6)).await.unwrap();
    world.set_buckets(&["two-bucket"]);
    world.state("operator/ada");
    std::fs::write(world.keys.path().join("statement-keys.json"), TrustedKeys::to_text(vec![])).unwrap();
    let delivered = world.deliver(&world.delivery(7)).await.unwrap();
    assert!(matches!(&delivered.lines[0].state,
        LineState::Refused(trouble) if trouble.detail.contains("no trusted key")));
}

#[tokio::test]
async fn an_endpoint_that_the_operator_does_not_allow_gets_nothing() {
    let World { distributor, .. } = world(&[]).await;
    let mut world = world(&["one-bucket", "two-bucket"]).await;
    let rules = Rules { allowed_endpoints: Some(["https://s3.good".to_owned()].into()), ..Rules::default() };
    world.distributor = std::mem::replace(&mut world.distributor, distributor).with_rules(rules);
    {
        let mut record = world.catalog.record.lock().unwrap();
        let buckets = &mut record.settings.as_mut().unwrap().buckets;
        buckets[0].endpoint = Some("https://s3.good".parse().unwrap());
        buckets[1].endpoint = Some("https://s3.evil".parse().unwrap());
    }
    let delivered = world.deliver(&world.delivery(7)).await.unwrap();
    assert_eq!(reasons(&delivered), ["written", "DESTINATION_REFUSED_ENDPOINT"]);
    assert_eq!((delivered.receipt, world.store.put_count()), (None, 1));
}

#[tokio::test]
async fn two_first_deliveries_at_once_pin_once() {
    let world = world(&["one-bucket"]).await;
    let mut client = world.subject(8);
    client.kind = CredentialKind::Client;
    let stamp = Stamp { version_id: client.version_id, issued_at: world.clock.now() };
    let body = ObjectBody::client("id", Some(&SecretValue::new(PASSWORD.to_owned())), stamp).unwrap();
    let (one, two) = (world.delivery(7), world.sealed(&world.rotator, &client, body.expose()));
    let (one, two) = tokio::join!(world.deliver(&one), world.deliver(&two));
    assert!(one.unwrap().receipt.is_some() && two.unwrap().receipt.is_some());
}
