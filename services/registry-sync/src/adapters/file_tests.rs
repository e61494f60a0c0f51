use super::*;

fn read(text: &str) -> Result<Listing, SourceFault> {
    listing(text.as_bytes(), &Defaults::default())
}

#[test]
fn the_whole_format_is_read() {
    let listing = read(
        "teams: [{id: stups, account_id: '123456789012'}, {id: zero, account_id: 12}]\n\
         applications:\n\
         - {id: kio, team_id: stups, name: Kio, settings: {buckets: [team-a, {name: team-b, region: eu-west-1}],\n\
         \x20   prefix: mint, layout: combined, scopes: [sales_order.read], redirect_url: 'https://a.example/cb',\n\
         \x20   rotation: {password: 90s, client: 30d}}}\n\
         - {id: a1, team_id: zero, name: A, active: false, settings: {buckets: [team-c], confidential: false}}\n\
         - {id: b1, team_id: nobody, name: B}\n\
         world: {refuse_writes: [team-x], password_grace: 10s}\n",
    )
    .unwrap();
    assert_eq!(listing.malformed, []);
    let settings = |index: usize| listing.entries[index].settings.clone();
    let kio = settings(2).unwrap().unwrap();
    assert_eq!(kio.account_id.unwrap().as_str(), "123456789012");
    assert_eq!((kio.buckets.len(), kio.password_period), (2, Some(Period::from_seconds(90))));
    let a1 = settings(0).unwrap().unwrap();
    assert_eq!((a1.account_id.unwrap().as_str(), a1.confidential), ("000000000012", false));
    assert_eq!(settings(1), None);
}

#[test]
fn wrong_settings_are_a_problem_of_their_application_alone() {
    let listing = read(
        "applications:\n\
         - {id: a1, team_id: t, name: A, settings: {layuot: split}}\n\
         - {id: b1, team_id: t, name: B, settings: {buckets: ['gs://x-y']}}\n\
         - {id: c1, team_id: t, name: C, settings: {buckets: [team-c]}}\n\
         - {id: d1, team_id: t, name: D, settings: {layout: sealed}}\n",
    )
    .unwrap();
    let faults: Vec<_> = listing
        .entries
        .iter()
        .map(|entry| entry.settings.clone().unwrap().unwrap_err())
        .map(|fault| (fault.field, fault.reason()))
        .collect();
    assert_eq!(
        faults,
        [
            ("settings", "SETTINGS_INVALID"),
            ("buckets", "UNSUPPORTED"),
            ("account_id", "SETTINGS_INVALID"),
            ("layout", "UNSUPPORTED"),
        ]
    );
}

#[test]
fn what_is_no_registry_is_refused_with_its_reason() {
    let table = [
        ("", SourceReason::Incomplete),
        (" \n", SourceReason::Incomplete),
        ("<html>", SourceReason::Malformed),
        ("[1, 2]", SourceReason::Malformed),
        ("aplications: []", SourceReason::Malformed),
        ("applications: {id: kio}", SourceReason::Malformed),
        ("applications: [{id: kio", SourceReason::Malformed),
    ];
    for (text, reason) in table {
        assert_eq!(read(text).unwrap_err().reason, reason, "{text}");
    }
}

#[tokio::test]
async fn a_replaced_file_rings_the_bell() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.yaml");
    std::fs::write(&path, "applications: []").unwrap();
    let file = RegistryFile::open(&path, Arc::default());
    let next = directory.path().join("next");
    std::fs::write(&next, "applications: [{id: kio, team_id: stups, name: Kio}]").unwrap();
    std::fs::rename(&next, &path).unwrap();
    let rung =
        tokio::time::timeout(std::time::Duration::from_secs(20), async { file.bell().notified().await });
    rung.await.expect("the bell rings");
    assert_eq!(file.list().await.unwrap().entries.len(), 1);
    assert!(file.read(&"kio".parse().unwrap()).await.unwrap().is_some());
    assert!(file.read(&"other".parse().unwrap()).await.unwrap().is_none());
}
