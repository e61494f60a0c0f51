//! What the evaluator of the embedded world says to the rendered documents.

use mint_permissions::{Caller, Context, Decision, Policy, Request, decide};

use super::{EXAMPLE, rendered};

const WEB: &str = "sts:AssumeRoleWithWebIdentity";
const EKS: &str = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";
const S3: &str = "s3.eu-central-1.amazonaws.com";

/// Role, action, resource, context, and whether it is allowed.
type Row<'t> = (&'t str, &'t str, String, Vec<(&'t str, &'t str)>, bool);

/// A session of a role below `/mint/`.
fn session(account: &str, role: &str) -> Caller {
    Caller::Aws {
        arn: format!("arn:aws:sts::{account}:assumed-role/{role}/test"),
        account: account.to_owned(),
        role: Some(format!("arn:aws:iam::{account}:role/mint/{role}")),
    }
}

#[test]
fn the_rendered_documents_decide_as_the_table_says() {
    const LIVE: &str = "arn:aws:s3:::payments-credentials";
    const TOP: &str = "arn:aws:s3:::payments-credentials-2";
    const SEARCH: &str = "arn:aws:s3:::search-credentials";
    const KEY: &str = "arn:aws:kms:eu-central-1:222222222222:key/11111111-2222-3333-4444-555555555555";
    const TAGGED: &str = "teams/payments/mint-tagged-reader";
    const ABC: &str = "teams/payments/mint-reader-abc";
    const WRITER: &str = "mint/mint-distributor";
    let through = |service: &'static str| vec![("kms:ViaService", service)];
    let tag = |value: &'static str| vec![("aws:PrincipalTag/mint_application", value)];
    let tagged_list = |value: &'static str, prefix: &'static str| {
        vec![("aws:PrincipalTag/mint_application", value), ("s3:prefix", prefix)]
    };
    let files = rendered(EXAMPLE);
    let table: Vec<Row<'_>> = vec![
        (WRITER, "s3:PutObject", format!("{LIVE}/live/abc/user.json"), vec![], true),
        (WRITER, "s3:PutObject", format!("{TOP}/abc/user.json"), vec![], true),
        (WRITER, "s3:PutObject", format!("{LIVE}/abc/user.json"), vec![], false),
        (WRITER, "s3:PutObject", format!("{LIVE}/live2/abc/user.json"), vec![], false),
        (WRITER, "s3:PutObject", "arn:aws:s3:::other/abc/user.json".to_owned(), vec![], false),
        (WRITER, "s3:GetObject", format!("{LIVE}/live/abc/user.json"), vec![], false),
        (WRITER, "s3:DeleteObject", format!("{LIVE}/live/abc/user.json"), vec![], false),
        (WRITER, "s3:PutObjectAcl", format!("{LIVE}/live/abc/user.json"), vec![], false),
        (WRITER, "s3:ListBucket", LIVE.to_owned(), vec![], false),
        (WRITER, "kms:GenerateDataKey", KEY.to_owned(), through("s3.eu-central-1.amazonaws.com"), true),
        (WRITER, "kms:GenerateDataKey", KEY.to_owned(), vec![], false),
        (WRITER, "kms:GenerateDataKey", KEY.to_owned(), through("ec2.eu-central-1.amazonaws.com"), false),
        (WRITER, "kms:Decrypt", KEY.to_owned(), through("s3.eu-central-1.amazonaws.com"), false),
        (
            WRITER,
            "sts:AssumeRole",
            "arn:aws:iam::222222222222:role/mint/mint-reader-abc".to_owned(),
            vec![],
            false,
        ),
        (TAGGED, "s3:GetObject", format!("{LIVE}/live/abc/user.json"), tag("abc"), true),
        (TAGGED, "s3:GetObject", format!("{LIVE}/live/abcd/user.json"), tag("abc"), false),
        (TAGGED, "s3:GetObject", format!("{LIVE}/live/abc"), tag("abc"), false),
        (TAGGED, "s3:GetObject", format!("{LIVE}/live/0xdeadbeef/user.json"), tag("abc"), false),
        (TAGGED, "s3:GetObject", format!("{LIVE}/abc/user.json"), tag("abc"), false),
        (TAGGED, "s3:GetObject", format!("{SEARCH}/abc/user.json"), tag("abc"), false),
        (TAGGED, "s3:GetObject", format!("{LIVE}/live/abc/user.json"), vec![], false),
        (TAGGED, "s3:GetObject", format!("{LIVE}/live/abc/user.json"), tag(""), false),
        (TAGGED, "s3:GetObject", format!("{LIVE}/live/abc/user.json"), tag("*"), false),
        (TAGGED, "s3:PutObject", format!("{LIVE}/live/abc/user.json"), tag("abc"), false),
        (TAGGED, "s3:DeleteObject", format!("{LIVE}/live/abc/user.json"), tag("abc"), false),
        (TAGGED, "s3:ListBucket", LIVE.to_owned(), tagged_list("abc", "live/abc/"), true),
        (TAGGED, "s3:ListBucket", LIVE.to_owned(), tagged_list("abc", "live/abc"), false),
        (TAGGED, "s3:ListBucket", LIVE.to_owned(), tagged_list("abc", "live/abcd/"), false),
        (TAGGED, "s3:ListBucket", LIVE.to_owned(), tagged_list("abc", ""), false),
        (TAGGED, "s3:ListBucket", LIVE.to_owned(), tag("abc"), false),
        (TAGGED, "s3:ListBucket", LIVE.to_owned(), vec![("s3:prefix", "live/abc/")], false),
        (TAGGED, "kms:Decrypt", KEY.to_owned(), through("s3.eu-central-1.amazonaws.com"), true),
        (TAGGED, "kms:Decrypt", KEY.to_owned(), vec![], false),
        (TAGGED, "kms:GenerateDataKey", KEY.to_owned(), through("s3.eu-central-1.amazonaws.com"), false),
        (ABC, "s3:GetObject", format!("{LIVE}/live/abc/user.json"), vec![], true),
        (ABC, "s3:GetObject", format!("{TOP}/abc/client.json"), vec![], true),
        (ABC, "s3:GetObject", format!("{LIVE}/live/abcd/user.json"), vec![], false),
        (ABC, "s3:GetObject", format!("{LIVE}/live/abc/other.json"), vec![], false),
        (ABC, "s3:ListBucket", LIVE.to_owned(), vec![("s3:prefix", "live/abc/")], false),
        (ABC, "s3:PutObject", format!("{LIVE}/live/abc/user.json"), vec![], false),
    ];
    for (role, action, resource, context, allowed) in table {
        let policies: Vec<Policy> = ["permissions.json", "kms.json"]
            .iter()
            .filter_map(|name| files.get(&format!("{role}/{name}")))
            .map(|file| Policy::identity(&file.text).unwrap())
            .collect();
        let boundary = match role.strip_prefix("teams/payments/") {
            Some(_) => "teams/payments/mint-reader-boundary.json".to_owned(),
            None => format!("{role}/boundary.json"),
        };
        let boundary = Policy::identity(&files[&boundary].text).unwrap();
        let request = Request {
            caller: session("222222222222", role.rsplit('/').next().unwrap()),
            action: action.to_owned(),
            resource: resource.clone(),
            context: context.iter().copied().collect(),
        };
        let decided = decide(&policies, &request).is_allow();
        assert_eq!(decided, allowed, "{role} {action} {resource} {context:?}");
        // the boundary takes nothing away today, and never lets a side do what the other one does
        if allowed {
            assert!(decide([&boundary], &request).is_allow(), "boundary of {role}: {action} {resource}");
        }
        if matches!(action, "s3:PutObject" | "kms:GenerateDataKey") && role != WRITER {
            assert!(!decide([&boundary], &request).is_allow(), "boundary of {role}: {action}");
        }
        if matches!(action, "s3:GetObject" | "s3:ListBucket" | "kms:Decrypt") && role == WRITER {
            assert!(!decide([&boundary], &request).is_allow(), "boundary of {role}: {action}");
        }
    }
}

#[test]
fn a_rendered_trust_admits_its_one_subject_or_a_tagged_session_and_nobody_else() {
    let files = rendered(EXAMPLE);
    let decided = |path: &str, caller: Caller, action: &str, context: &[(&str, &str)]| {
        let request = Request {
            caller,
            action: action.to_owned(),
            resource: "*".to_owned(),
            context: context.iter().copied().collect::<Context>(),
        };
        decide([&Policy::trust(&files[path].text).unwrap()], &request) == Decision::Allow
    };
    let provider =
        |account: &str, host: &str| Caller::Federated(format!("arn:aws:iam::{account}:oidc-provider/{host}"));
    let (aud, sub) = (format!("{EKS}:aud"), format!("{EKS}:sub"));
    let own = "system:serviceaccount:mint:distributor";
    let writer = "mint/mint-distributor/trust.json";
    let platform = provider("111111111111", EKS);
    let sts = (aud.as_str(), "sts.amazonaws.com");
    assert!(decided(writer, platform.clone(), WEB, &[sts, (&sub, own)]));
    assert!(!decided(writer, platform.clone(), WEB, &[sts, (&sub, "system:serviceaccount:mint:rotator")]));
    assert!(!decided(writer, platform.clone(), WEB, &[sts]));
    assert!(!decided(writer, platform.clone(), WEB, &[(&aud, "other"), (&sub, own)]));
    assert!(!decided(writer, platform, "sts:TagSession", &[sts, (&sub, own)]));
    let broker = provider("111111111111", "broker.example.org");
    assert!(!decided(writer, broker, WEB, &[sts, (&sub, own)]), "the broker is on the read side only");

    let tagged = "teams/payments/mint-tagged-reader/trust.json";
    let broker = provider("222222222222", "broker.example.org");
    let aud = ("broker.example.org:aud", "sts.amazonaws.com");
    let tag = ("aws:RequestTag/mint_application", "abc");
    for action in [WEB, "sts:TagSession"] {
        assert!(decided(tagged, broker.clone(), action, &[aud, tag]));
        assert!(!decided(tagged, broker.clone(), action, &[aud]), "an untagged session is refused");
        assert!(!decided(tagged, broker.clone(), action, &[tag]));
        assert!(!decided(tagged, broker.clone(), action, &[aud, ("aws:RequestTag/other", "abc")]));
    }
    assert!(!decided(tagged, session("222222222222", "admin"), "sts:AssumeRole", &[aud, tag]));

    let owned = "teams/payments/mint-reader-abcd/trust.json";
    let id = ("sts:ExternalId", "6f1d0a52-mint-abcd");
    assert!(decided(owned, session("444444444444", "anybody"), "sts:AssumeRole", &[id]));
    assert!(!decided(owned, session("444444444444", "anybody"), "sts:AssumeRole", &[]));
    assert!(!decided(owned, session("555555555555", "anybody"), "sts:AssumeRole", &[id]));
}

#[test]
fn a_bucket_lets_the_writer_put_and_do_nothing_else_whatever_its_role_says() {
    let files = rendered(EXAMPLE);
    let bucket = Policy::resource(&files["teams/payments/buckets/payments-credentials.json"].text).unwrap();
    // somebody attached all of S3 to the role that writes
    let all = Policy::identity(
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"#,
    )
    .unwrap();
    let decided = |role: &str, action: &str, key: &str, tls: &str| {
        let account = if role == "mint-distributor" { "111111111111" } else { "222222222222" };
        let request = Request {
            caller: session(account, role),
            action: action.to_owned(),
            resource: format!("arn:aws:s3:::payments-credentials{key}"),
            context: [("aws:SecureTransport", tls)].into_iter().collect(),
        };
        (decide([&bucket], &request), decide([&bucket, &all], &request))
    };
    let put = decided("mint-distributor", "s3:PutObject", "/live/abc/user.json", "true");
    assert_eq!(put, (Decision::Allow, Decision::Allow));
    assert_eq!(decided("mint-distributor", "s3:PutObject", "/else/abc", "true").0, Decision::ImplicitDeny);
    for (action, key) in [
        ("s3:GetObject", "/live/abc/user.json"),
        ("s3:GetObjectVersion", "/live/abc/user.json"),
        ("s3:DeleteObject", "/live/abc/user.json"),
        ("s3:PutObjectAcl", "/live/abc/user.json"),
        ("s3:ListBucket", ""),
        ("s3:PutBucketPolicy", ""),
    ] {
        assert_eq!(decided("mint-distributor", action, key, "true").1, Decision::ExplicitDeny, "{action}");
        assert_eq!(decided("mint-tagged-reader", action, key, "true").1, Decision::Allow, "{action}");
        assert_eq!(decided("mint-tagged-reader", action, key, "false").1, Decision::ExplicitDeny, "{action}");
    }
    assert_eq!(decided("mint-distributor", "s3:PutObject", "/live/abc/x", "false").1, Decision::ExplicitDeny);
}

#[test]
fn a_key_is_used_by_writer_and_readers_each_their_way_and_by_administrators_not_at_all() {
    let files = rendered(EXAMPLE);
    let key = &files["teams/payments/keys/11111111-2222-3333-4444-555555555555.json"];
    let key = Policy::resource(&key.text).unwrap();
    let decided = |account: &str, role: &str, action: &str, via: &str| {
        let request = Request {
            caller: session(account, role),
            action: action.to_owned(),
            resource: "arn:aws:kms:eu-central-1:222222222222:key/11111111-2222-3333-4444-555555555555"
                .to_owned(),
            context: [("kms:ViaService", via)].into_iter().collect(),
        };
        decide([&key], &request).is_allow()
    };
    assert!(decided("111111111111", "mint-distributor", "kms:GenerateDataKey", S3));
    assert!(!decided(
        "111111111111",
        "mint-distributor",
        "kms:GenerateDataKey",
        "ec2.eu-central-1.amazonaws.com"
    ));
    assert!(!decided("111111111111", "mint-distributor", "kms:Decrypt", S3));
    for reader in ["mint-tagged-reader", "mint-reader-abc", "mint-reader-abcd"] {
        assert!(decided("222222222222", reader, "kms:Decrypt", S3), "{reader}");
        assert!(!decided("222222222222", reader, "kms:GenerateDataKey", S3), "{reader}");
    }
    assert!(!decided("222222222222", "admin", "kms:Decrypt", S3));
    assert!(decided("222222222222", "admin", "kms:PutKeyPolicy", ""));
    assert!(!decided("111111111111", "admin", "kms:PutKeyPolicy", ""));
}
