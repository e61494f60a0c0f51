use super::*;

const WORLD: &str = r#"
teams:
  - {id: payments, account_id: "111122223333"}
applications:
  - {id: ledger, team_id: payments, name: Ledger, settings: {buckets: [payments-credentials], scopes: [ledger.read]}}
  - id: gateway
    team_id: payments
    name: Gateway
    active: false
    settings:
      buckets: [{name: gateway-credentials, region: us-east-1}]
      layout: combined
      rotation: {password: 2h, client: 30d}
world:
  refuse_writes: [gateway-credentials]
  buckets: [spare, {name: far-spare, region: eu-west-1, account_id: "999900001111"}]
"#;

#[test]
fn a_registry_file_is_read_with_its_defaults() {
    let world = World::parse(WORLD).unwrap();
    let ledger = world.application("ledger").unwrap();
    assert!(ledger.active && ledger.settings.confidential);
    assert_eq!(ledger.settings.layout, Layout::Split);
    assert_eq!(world.account_of(ledger), Some("111122223333"));
    assert_eq!(world.rules.password_grace, Period::from_seconds(10));
    assert!(!world.application("gateway").unwrap().active);
    assert!(World::parse("{\"teams\": [], \"applications\": []}").is_ok(), "JSON is YAML");
}

#[test]
fn a_bucket_belongs_to_the_account_of_the_first_application_that_names_it() {
    let buckets = World::parse(WORLD).unwrap().buckets("eu-central-1");
    let facts = |name: &str| {
        let bucket = &buckets[name];
        (bucket.region.clone(), bucket.account_id.clone(), bucket.refuses_writes)
    };
    assert_eq!(facts("payments-credentials"), ("eu-central-1".into(), "111122223333".into(), false));
    assert_eq!(facts("gateway-credentials"), ("us-east-1".into(), "111122223333".into(), true));
    assert_eq!(facts("spare"), ("eu-central-1".into(), "111122223333".into(), false));
    assert_eq!(facts("far-spare"), ("eu-west-1".into(), "999900001111".into(), false));
    assert_eq!(buckets.len(), 4);
}

#[test]
fn an_unknown_key_is_refused_and_named_wherever_it_stands() {
    for (written, misspelt) in [
        ("account_id: \"111122223333\"}", "acount_id"),
        ("buckets: [payments-credentials]", "bukkets"),
        ("region: us-east-1", "regoin"),
        ("client: 30d", "cliant"),
        ("refuse_writes: [gateway-credentials]", "refuse_write"),
        ("region: eu-west-1", "regiom"),
    ] {
        let (key, value) = written.split_once(':').unwrap();
        let replaced = WORLD.replace(written, &format!("{misspelt}:{value}"));
        assert_ne!(replaced, WORLD, "{key}");
        let refusal = World::parse(&replaced).unwrap_err().to_string();
        assert!(refusal.contains(misspelt), "{refusal}");
    }
}

#[test]
fn a_world_that_contradicts_itself_is_refused() {
    for (written, instead, complaint) in [
        ("id: gateway\n", "id: ledger\n", "two applications \"ledger\""),
        ("team_id: payments, name: Ledger", "team_id: nobody, name: Ledger", "names the team \"nobody\""),
        ("\"111122223333\"", "\"1111\"", "account id"),
        ("id: ledger,", "id: ../ledger,", "application id"),
        ("[payments-credentials]", "[a..b]", "bucket name"),
        ("client: 30d", "client: soon", "is not a period"),
        ("buckets: [spare,", "buckets: [\"..\",", "bucket name"),
    ] {
        let replaced = WORLD.replace(written, instead);
        assert_ne!(replaced, WORLD, "{written}");
        let refusal = World::parse(&replaced).unwrap_err().to_string();
        assert!(refusal.contains(complaint), "{refusal}");
    }
}

const EXAMPLE: &str = include_str!("../../../../deploy/examples/registry.yaml");

#[test]
fn the_example_has_thirty_deliverable_applications_and_three_that_are_not() {
    let world = World::parse(EXAMPLE).unwrap();
    let buckets = world.buckets("eu-central-1");
    let mut troubled = Vec::new();
    for application in &world.applications {
        let named = &application.settings.buckets;
        if !application.active {
            troubled.push((application.id.as_str(), "inactive"));
        } else if named.is_empty() {
            troubled.push((application.id.as_str(), "without a bucket"));
        } else if named.iter().any(|bucket| buckets[&bucket.name].refuses_writes) {
            troubled.push((application.id.as_str(), "refused"));
        }
    }
    let expected =
        [("fax-gateway", "inactive"), ("hello-world", "without a bucket"), ("backup-export", "refused")];
    assert_eq!(troubled, expected);
    assert_eq!((world.applications.len(), world.teams.len()), (33, 6));
    let spare = &buckets["platform-spare"];
    for id in ["hello-world", "backup-export"] {
        let owner = world.account_of(world.application(id).unwrap());
        assert_eq!(owner, Some(spare.account_id.as_str()), "the spare bucket can repair {id}");
    }
}

#[test]
fn the_example_shows_every_kind_of_delivery() {
    let world = World::parse(EXAMPLE).unwrap();
    let count = |of: fn(&Settings) -> bool| world.applications.iter().filter(|app| of(&app.settings)).count();
    assert_eq!(count(|settings| !settings.confidential), 4, "public clients");
    assert_eq!(count(|settings| settings.layout == Layout::Combined), 4, "combined layouts");
    assert_eq!(count(|settings| settings.buckets.len() == 2), 4, "two buckets");
    assert!(count(|settings| settings.prefix.is_none()) > 10, "no prefix");
    assert!(count(|settings| settings.prefix.is_some()) > 10, "a prefix");
    assert_eq!(
        count(|settings| settings.layout == Layout::Combined && !settings.confidential),
        0,
        "a combined object carries a client secret"
    );
}

#[test]
fn every_bucket_of_the_example_belongs_to_the_account_of_all_who_name_it() {
    let world = World::parse(EXAMPLE).unwrap();
    let buckets = world.buckets("eu-central-1");
    for application in &world.applications {
        for bucket in &application.settings.buckets {
            let existing = &buckets[&bucket.name];
            assert_eq!(world.account_of(application), Some(existing.account_id.as_str()), "{}", bucket.name);
            let region = bucket.region.as_deref().unwrap_or("eu-central-1");
            assert_eq!(region, existing.region, "{} of {}", bucket.name, application.id);
        }
    }
}
