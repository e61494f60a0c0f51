use super::*;

fn draft() -> Draft {
    Draft {
        buckets: vec![DraftBucket { name: "team-a-mint".into(), ..DraftBucket::default() }],
        account_id: "123456789012".into(),
        prefix: "mint".into(),
        scopes: vec!["sales_order.read".into()],
        redirect_url: "https://app.example.org/cb".into(),
        confidential: true,
        ..Draft::default()
    }
}

#[test]
fn every_unusable_setting_is_refused_by_field_and_reason() {
    type Spoil = fn(&mut Draft);
    let table: [(Spoil, &str, &str); 20] = [
        (|draft| draft.buckets[0].name = "gs://team-a".into(), "buckets", "UNSUPPORTED"),
        (|draft| draft.layout = "sealed".into(), "layout", "UNSUPPORTED"),
        (|draft| draft.layout = "folded".into(), "layout", "SETTINGS_INVALID"),
        (|draft| draft.buckets[0].name = "Team".into(), "buckets", "SETTINGS_INVALID"),
        (|draft| draft.buckets[0].name = "ab".into(), "buckets", "SETTINGS_INVALID"),
        (|draft| draft.buckets.push(draft.buckets[0].clone()), "buckets", "SETTINGS_INVALID"),
        (|draft| draft.buckets[0].region = "eu central".into(), "buckets", "SETTINGS_INVALID"),
        (|draft| draft.buckets[0].endpoint = "http://example.org".into(), "buckets", "SETTINGS_INVALID"),
        (|draft| draft.buckets[0].endpoint = "https://s3.test/other".into(), "buckets", "SETTINGS_INVALID"),
        (|draft| draft.buckets[0].endpoint = "https://s3.test?x=y".into(), "buckets", "SETTINGS_INVALID"),
        (|draft| draft.buckets[0].kms_key_id = "a\nb".into(), "buckets", "SETTINGS_INVALID"),
        (|draft| draft.account_id = "12345678901".into(), "account_id", "SETTINGS_INVALID"),
        (|draft| draft.account_id = String::new(), "account_id", "SETTINGS_INVALID"),
        (|draft| draft.prefix = "../other".into(), "prefix", "SETTINGS_INVALID"),
        (|draft| draft.prefix = "/mint".into(), "prefix", "SETTINGS_INVALID"),
        (|draft| draft.scopes = vec!["nodot".into()], "scopes", "SETTINGS_INVALID"),
        (|draft| draft.scopes = vec!["a.b".into(), "a.b".into()], "scopes", "SETTINGS_INVALID"),
        (|draft| draft.redirect_url = "http://app.example.org".into(), "redirect_url", "SETTINGS_INVALID"),
        (
            |draft| draft.password_period = Some(Period::from_seconds(1)),
            "password_period",
            "SETTINGS_INVALID",
        ),
        (
            |draft| draft.client_period = Some(Period::from_seconds(400_000_000)),
            "client_period",
            "SETTINGS_INVALID",
        ),
    ];
    draft().checked(&Defaults::default()).unwrap();
    for (number, (spoil, field, reason)) in table.into_iter().enumerate() {
        let mut spoilt = draft();
        spoil(&mut spoilt);
        let fault = spoilt.checked(&Defaults::default()).unwrap_err();
        assert_eq!((fault.field, fault.reason()), (field, reason), "row {number}: {fault}");
    }
}

#[test]
fn an_unknown_layout_on_the_wire_is_unsupported() {
    let wire = wire::Settings { layout: 9, ..wire::Settings::default() };
    assert_eq!(Draft::from_wire(wire).unwrap_err().reason(), "UNSUPPORTED");
}

#[test]
fn what_is_left_open_stays_open_and_follows_the_defaults() {
    let entered = draft().checked(&Defaults::default()).unwrap();
    assert_eq!((entered.password_period, &entered.buckets[0].region), (None, &None));
    let defaults = Defaults {
        region: Some("eu-west-1".into()),
        password_period: Period::from_seconds(60),
        ..Defaults::default()
    };
    let effective = entered.effective(&defaults);
    assert_eq!(effective.buckets[0].region.as_deref(), Some("eu-west-1"));
    assert_eq!(effective.password_period, Period::from_seconds(60));
    assert_eq!(effective.client_period, defaults.client_period);
}

#[test]
fn the_bucket_for_everybody_serves_who_names_none() {
    let defaults = Defaults {
        bucket: Some("everybody".parse().unwrap()),
        account_id: Some("000000000001".parse().unwrap()),
        ..Defaults::default()
    };
    let names =
        |settings: Settings| settings.buckets.into_iter().map(|b| b.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(defaults.settings().unwrap()), ["everybody"]);
    assert_eq!(names(draft().checked(&defaults).unwrap().effective(&defaults)), ["team-a-mint"]);
    let unowned = Draft { account_id: String::new(), ..draft() };
    assert_eq!(unowned.checked(&defaults).unwrap().account_id, None);
    assert_eq!(Defaults::default().settings(), None);
}

#[test]
fn settings_survive_the_database() {
    let entered = Draft { password_period: Some(Period::from_seconds(90)), ..draft() };
    let entered = entered.checked(&Defaults::default()).unwrap();
    let text = serde_json::to_string(&entered).unwrap();
    assert_eq!(serde_json::from_str::<Entered>(&text).unwrap(), entered);
}
