#![allow(clippy::needless_pass_by_value, reason = "json! makes values")]

mod any;
mod trust;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

fn codes(document: &Value) -> BTreeSet<Code> {
    lint(&document.to_string()).unwrap().into_iter().map(|finding| finding.code).collect()
}

fn policy(statements: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn only(code: Code) -> BTreeSet<Code> {
    BTreeSet::from([code])
}

/// A trust as Mint writes it, changed by `change`.
fn tagged(change: impl FnOnce(&mut Value)) -> Value {
    let mut statement = json!({
        "Sid": "Readers",
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::111111111111:oidc-provider/broker.example.org"},
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        "Condition": {
            "StringEquals": {"broker.example.org:aud": "sts.amazonaws.com"},
            "Null": {"aws:RequestTag/mint_application": "false"}
        }
    });
    change(&mut statement);
    policy(json!([statement]))
}

/// A trust of one pinned subject, changed by `change`.
fn pinned(change: impl FnOnce(&mut Value)) -> Value {
    tagged(|statement| {
        statement["Action"] = json!("sts:AssumeRoleWithWebIdentity");
        statement["Condition"] = json!({"StringEquals": {
            "broker.example.org:aud": "sts.amazonaws.com",
            "broker.example.org:sub": "system:serviceaccount:mint:distributor"
        }});
        change(statement);
    })
}

fn allow(action: Value, resource: Value) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

#[test]
fn a_guard_against_the_empty_text_is_found_and_one_against_the_absent_key_is_not() {
    let guarded = |operator: &str, value: Value| {
        tagged(|one| one["Condition"][operator] = json!({"aws:RequestTag/mint_application": value}))
    };
    for operator in
        ["StringNotEquals", "StringNotLike", "ForAnyValue:StringNotEquals", "stringnotequalsIfExists"]
    {
        assert_eq!(codes(&guarded(operator, json!(""))), only(Code::EmptyTextGuard), "{operator}");
        assert_eq!(codes(&guarded(operator, json!(["x", ""]))), only(Code::EmptyTextGuard), "{operator}");
        assert_eq!(codes(&guarded(operator, json!("root"))), BTreeSet::new(), "{operator}");
    }
    let deny = |condition: Value| {
        policy(
            json!({"Sid": "Guard", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "*", "Condition": condition}),
        )
    };
    let blind = json!({"StringEquals": {"aws:PrincipalTag/mint_application": ""}});
    assert_eq!(codes(&deny(blind)), only(Code::EmptyTextGuard));
    assert_eq!(codes(&deny(json!({"Null": {"aws:PrincipalTag/mint_application": "true"}}))), BTreeSet::new());
}

#[test]
fn listing_and_getting_in_one_statement_is_found_and_in_two_it_is_not() {
    let (bucket, objects) = ("arn:aws:s3:::team", "arn:aws:s3:::team/abc/*");
    let together = |actions: Value| policy(json!([allow(actions, json!([bucket, objects]))]));
    assert_eq!(codes(&together(json!(["s3:ListBucket", "s3:GetObject"]))), only(Code::ListAndGetTogether));
    assert_eq!(
        codes(&together(json!(["S3:LISTBUCKET", "s3:getobjectversion"]))),
        only(Code::ListAndGetTogether)
    );
    assert!(codes(&together(json!(["s3:List*", "s3:Get*"]))).contains(&Code::ListAndGetTogether));
    let apart = policy(json!([
        allow(json!("s3:ListBucket"), json!(bucket)),
        allow(json!("s3:GetObject"), json!(objects))
    ]));
    assert_eq!(codes(&apart), BTreeSet::new());
}

#[test]
fn an_allow_for_everything_is_found_and_one_for_what_has_no_resource_is_not() {
    for document in [
        policy(
            json!([{"Effect": "Allow", "NotAction": "iam:CreateUser", "Resource": "arn:aws:s3:::team/abc/x"}]),
        ),
        policy(json!([{"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::team/x"}])),
        policy(json!([allow(json!("s3:GetObject"), json!("*"))])),
        policy(json!([allow(json!(["ec2:DescribeInstances", "kms:Decrypt"]), json!("*"))])),
        policy(json!([allow(json!("s3:PutObject"), json!("arn:aws:s3:::*"))])),
        policy(json!([allow(json!("s3:PutObject"), json!(["arn:aws:s3:::team/abc/*", "arn:aws:s3:::*/*"]))])),
        policy(json!([allow(json!("s3:PutObject"), json!("arn:aws:s3:::team-*/abc/*"))])),
        policy(json!([allow(json!("iam:PassRole"), json!("*"))])),
        policy(json!([{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::team/abc/*"}])),
        policy(json!([{"Effect": "Allow", "NotPrincipal": {"AWS": "arn:aws:iam::111111111111:role/x"},
            "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team/abc/*"}])),
        policy(json!([{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}])),
    ] {
        assert!(codes(&document).contains(&Code::BroadGrant), "{document}");
    }
    for document in [
        policy(json!([allow(json!(["sts:GetCallerIdentity", "S3:listallmybuckets"]), json!("*"))])),
        policy(json!([allow(json!("ec2:DescribeInstances"), json!("*"))])),
        policy(json!([allow(json!("iam:CreateRole"), json!("arn:aws:iam::111111111111:role/mint/*"))])),
        policy(json!([{"Effect": "Deny", "NotAction": "s3:PutObject", "Resource": "*"}])),
        policy(json!([{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}])),
        policy(json!([{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:role/x"},
            "Action": "kms:Decrypt", "Resource": "*"}])),
    ] {
        assert_eq!(codes(&document), BTreeSet::new(), "{document}");
    }
}

#[test]
fn a_prefix_without_its_slash_is_found() {
    for (resource, open) in [
        ("arn:aws:s3:::team/abc*", true),
        ("arn:aws:s3:::team/${aws:PrincipalTag/mint_application}*", true),
        ("arn:aws:s3:::team/live/abc*/user.json", true),
        ("arn:aws:s3:::team/abc/*", false),
        ("arn:aws:s3:::team/${aws:PrincipalTag/mint_application}/*", false),
        ("arn:aws:s3:::team/*", false),
        ("arn:aws:s3:::team/abc/user.json", false),
        ("arn:aws:s3:::<bucket>/<prefix>*", false),
        ("arn:aws-cn:s3:::team/abc*", true),
    ] {
        let expected = if open { only(Code::SlashMissing) } else { BTreeSet::new() };
        assert_eq!(
            codes(&policy(json!([allow(json!("s3:GetObject"), json!(resource))]))),
            expected,
            "{resource}"
        );
    }
    for (operator, prefix, open) in [
        ("StringLike", "abc*", true),
        ("StringLike", "abc", true),
        ("StringEquals", "abc", true),
        ("StringEquals", "", true),
        ("ForAnyValue:StringLike", "${aws:PrincipalTag/mint_application}*", true),
        ("StringLike", "abc/*", false),
        ("StringEquals", "abc/", false),
        ("StringLike", "${aws:PrincipalTag/mint_application}/*", false),
    ] {
        let mut statement = allow(json!("s3:ListBucket"), json!("arn:aws:s3:::team"));
        statement["Condition"] = json!({operator: {"S3:Prefix": ["own/", prefix]}});
        let expected = if open { only(Code::SlashMissing) } else { BTreeSet::new() };
        assert_eq!(codes(&policy(json!([statement]))), expected, "{operator} {prefix}");
    }
}

#[test]
fn a_writer_that_reads_is_found_through_statements_and_two_principals_are_not() {
    let objects = json!("arn:aws:s3:::team/abc/*");
    let write = allow(json!("s3:PutObject"), objects.clone());
    for read in ["s3:GetObject", "S3:GETOBJECTVERSION", "s3:ListBucket", "kms:Decrypt"] {
        let both = policy(json!([write, allow(json!(read), objects.clone())]));
        assert_eq!(codes(&both), only(Code::WriterReads), "{read}");
        assert_eq!(codes(&policy(json!([allow(json!(read), objects.clone())]))), BTreeSet::new(), "{read}");
    }
    for wild in ["s3:*", "*", "s3:*Object"] {
        assert!(
            codes(&policy(json!([allow(json!(wild), objects.clone())]))).contains(&Code::WriterReads),
            "{wild}"
        );
    }
    assert_eq!(
        codes(&policy(json!([write, allow(json!("kms:GenerateDataKey"), objects.clone())]))),
        BTreeSet::new()
    );
    let to = |role: &str, action: &str| {
        json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::111111111111:role/{role}")},
            "Action": action, "Resource": objects})
    };
    let apart = policy(json!([to("writer", "s3:PutObject"), to("reader", "s3:GetObject")]));
    assert_eq!(codes(&apart), BTreeSet::new());
    let one = policy(json!([to("writer", "s3:PutObject"), to("writer", "s3:GetObject")]));
    assert_eq!(codes(&one), only(Code::WriterReads));
}

#[test]
fn an_action_with_a_wildcard_is_found_and_in_a_deny_it_is_not() {
    let objects = json!("arn:aws:s3:::team/abc/*");
    for action in ["s3:GetObject*", "s3:Get?bject", "sqs:*"] {
        assert_eq!(
            codes(&policy(json!([allow(json!(action), objects.clone())]))),
            only(Code::WildcardAction),
            "{action}"
        );
        let deny = json!([{"Effect": "Deny", "Action": action, "Resource": objects}]);
        assert_eq!(codes(&policy(deny)), BTreeSet::new(), "{action}");
    }
    assert_eq!(codes(&policy(json!([allow(json!("s3:GetObject"), objects)]))), BTreeSet::new());
}

#[test]
fn a_finding_is_one_line_with_its_statement_its_code_and_what_to_do() {
    let document = policy(json!([
        allow(json!("s3:PutObject"), json!("arn:aws:s3:::team/x/*")),
        {"Sid": "Mine", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team/a\nb*"}
    ]));
    let lines: Vec<String> = lint(&document.to_string()).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("statement Mine: SLASH_MISSING: arn:aws:s3:::team/a b* reaches"),
        "{}",
        lines[0]
    );
    assert!(lines[0].ends_with("end the directory with a slash"), "{}", lines[0]);
    assert!(lines[1].starts_with("statement Mine: WRITER_READS: "), "{}", lines[1]);
    assert!(lines.iter().all(|line| !line.contains('\n')));
}

#[test]
fn what_is_not_a_policy_document_is_an_error_and_never_clean() {
    let good = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team/abc/*"});
    let changed = |element: &str, value: Value| {
        let mut statement = good.clone();
        statement[element] = value;
        policy(json!([statement])).to_string()
    };
    let without = |element: &str| {
        let mut statement = good.clone();
        statement.as_object_mut().unwrap().remove(element);
        policy(json!([statement])).to_string()
    };
    let mut mixed = good.clone();
    mixed["Principal"] = json!("*");
    let texts = [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        "{\"Version\": \"2012-10-17\"}".to_owned(),
        "{\"Statement\": 1}".to_owned(),
        "{\"Statement\": [1]}".to_owned(),
        "{\"Statement\": [], \"Statement\": []}".to_owned(),
        json!({"PolicyVersion": {"Document": policy(json!([good]))}}).to_string(),
        json!({"Statement": [good], "Comment": "x"}).to_string(),
        policy(json!([good, mixed])).to_string(),
        changed("Effect", json!("allow")),
        changed("Sid", json!(1)),
        changed("Sid", json!("a\nb")),
        changed("Action", json!([])),
        changed("Action", json!("GetObject")),
        changed("Action", json!({"s3": "GetObject"})),
        changed("Resource", json!([1])),
        changed("NotAction", json!("s3:GetObject")),
        changed("Resources", json!("*")),
        changed("Principal", json!({})),
        changed("Principal", json!({"Users": "x"})),
        changed("Principal", json!("x")),
        changed("Condition", json!([])),
        changed("Condition", json!({"StringMatches": {"a:b": "c"}})),
        changed("Condition", json!({"AnyValue:StringLike": {"a:b": "c"}})),
        changed("Condition", json!({"StringLike": "x"})),
        changed("Condition", json!({"StringLike": {"a:b": []}})),
        changed("Condition", json!({"StringLike": {"a:b": {"c": 1}}})),
        without("Effect"),
        without("Action"),
        without("Resource"),
    ];
    for text in texts {
        assert!(matches!(lint(&text), Err(Error::Document(_))), "{text}");
    }
    assert_eq!(lint(&policy(json!([good])).to_string()), Ok(Vec::new()));
    assert_eq!(lint(&policy(good).to_string()), Ok(Vec::new()), "one statement needs no list");
    assert_eq!(lint(&policy(json!([])).to_string()), Ok(Vec::new()), "nothing is granted");
}
