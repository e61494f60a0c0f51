//! Whom a trust lets in.

use super::*;

#[test]
fn a_trust_that_looks_at_tags_and_does_not_let_them_be_set_is_found() {
    let missing = tagged(|one| one["Action"] = json!("sts:AssumeRoleWithWebIdentity"));
    assert!(codes(&missing).contains(&Code::TagSessionMissing));
    assert_eq!(codes(&tagged(|_| {})), BTreeSet::new());
    // without a tag to look at, nothing is missing; and action names have no case
    assert_eq!(codes(&pinned(|_| {})), BTreeSet::new());
    let shouted = tagged(|one| one["Action"] = json!(["STS:ASSUMEROLEWITHWEBIDENTITY", "STS:TAGSESSION"]));
    assert_eq!(codes(&shouted), BTreeSet::new());
    // in a statement of its own it is as good, for the same principal
    let principal = tagged(|_| {})["Statement"][0]["Principal"].clone();
    let mut apart = missing;
    let own = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:TagSession"});
    apart["Statement"].as_array_mut().unwrap().push(own);
    assert!(!codes(&apart).contains(&Code::TagSessionMissing));
    apart["Statement"][1]["Principal"] =
        json!({"Federated": "arn:aws:iam::111111111111:oidc-provider/other.org"});
    assert!(codes(&apart).contains(&Code::TagSessionMissing));
}

#[test]
fn whoever_needs_no_tag_beside_the_federated_one_is_found() {
    let with = |statement: Value| {
        let mut document = tagged(|_| {});
        document["Statement"].as_array_mut().unwrap().push(statement);
        codes(&document)
    };
    let root = json!({"AWS": "arn:aws:iam::111111111111:root"});
    let beside = json!({"Effect": "Allow", "Principal": root, "Action": "sts:AssumeRole"});
    assert_eq!(with(beside.clone()), only(Code::UntaggedPrincipal));
    let mut tagged = beside.clone();
    tagged["Action"] = json!(["sts:AssumeRole", "sts:TagSession"]);
    tagged["Condition"] = json!({"StringEquals": {"aws:RequestTag/mint_application": "abc"}});
    assert_eq!(with(tagged.clone()), BTreeSet::new());
    tagged["Condition"] = json!({"StringEqualsIfExists": {"aws:RequestTag/mint_application": "abc"}});
    assert_eq!(with(tagged), only(Code::UntaggedPrincipal));
    // alone it is another role, and it may only tag: that is no way in
    assert_eq!(codes(&policy(json!([beside]))), BTreeSet::new());
    assert_eq!(
        with(json!({"Effect": "Allow", "Principal": root, "Action": "sts:TagSession"})),
        BTreeSet::new()
    );
    // in the same statement, and beside one that is known by its subject
    let both = json!({"Federated": "arn:aws:iam::111111111111:oidc-provider/broker.example.org",
        "Service": "ec2.amazonaws.com"});
    assert_eq!(codes(&pinned(|one| one["Principal"] = both)), only(Code::UntaggedPrincipal));
    // the federated one itself, when it need not have a tag
    let free = pinned(|one| one["Action"] = json!(["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]));
    assert_eq!(codes(&free), only(Code::UntaggedPrincipal));
}

#[test]
fn a_web_identity_trust_without_a_whole_subject_is_found() {
    let with = |operator: &str, subject: &str| {
        pinned(|one| {
            one["Condition"] = json!({"StringEquals": {"broker.example.org:aud": "sts.amazonaws.com"}});
            one["Condition"][operator]["broker.example.org:sub"] = json!(subject);
        })
    };
    let without = pinned(|one| {
        one["Condition"]["StringEquals"].as_object_mut().unwrap().remove("broker.example.org:sub");
    });
    let found = only(Code::SubjectNotPinned);
    assert_eq!(codes(&without), found);
    for (operator, subject) in [
        ("StringLike", "system:serviceaccount:mint:*"),
        ("StringEqualsIfExists", "x"),
        ("StringNotEquals", "x"),
    ] {
        assert_eq!(codes(&with(operator, subject)), found, "{operator} {subject}");
    }
    for operator in ["StringEquals", "StringLike", "ForAnyValue:StringEquals"] {
        assert_eq!(
            codes(&with(operator, "system:serviceaccount:mint:distributor")),
            BTreeSet::new(),
            "{operator}"
        );
    }
    // a claim of another provider says nothing of this one
    let other = pinned(|one| {
        one["Condition"] = json!({"StringEquals": {
            "broker.example.org:aud": "sts.amazonaws.com", "other.org:sub": "x"}});
    });
    assert_eq!(codes(&other), found);
    // who is known by a tag that STS demands needs no subject; who may come without one does
    assert_eq!(codes(&tagged(|_| {})), BTreeSet::new());
    let free = tagged(|one| {
        one["Condition"].as_object_mut().unwrap().remove("Null");
    });
    assert!(codes(&free).contains(&Code::SubjectNotPinned));
}

#[test]
fn a_web_identity_trust_without_an_audience_is_found() {
    for remove in [true, false] {
        let document = tagged(|one| {
            let equals = one["Condition"]["StringEquals"].as_object_mut().unwrap();
            if remove {
                equals.remove("broker.example.org:aud");
                equals.insert("broker.example.org:amr".to_owned(), json!("x"));
            }
        });
        assert_eq!(codes(&document), if remove { only(Code::AudienceNotPinned) } else { BTreeSet::new() });
    }
    let google = pinned(|one| {
        one["Principal"] = json!({"Federated": "accounts.google.com"});
        one["Condition"] =
            json!({"StringEquals": {"accounts.google.com:SUB": ["1"], "accounts.google.com:aud": "2"}});
    });
    assert_eq!(codes(&google), BTreeSet::new());
}
