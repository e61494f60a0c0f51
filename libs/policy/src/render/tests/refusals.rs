//! What is refused before anything is rendered.

use std::fmt::Write as _;

use super::*;

fn refusal(from: &str, to: &str) -> String {
    let text = EXAMPLE.replacen(from, to, 1);
    assert_ne!(text, EXAMPLE, "{from} stands in the example");
    Config::parse(&text).and_then(|config| render(&config)).unwrap_err().to_string()
}

#[test]
fn a_value_that_is_a_pattern_or_leaves_its_place_is_refused_by_its_key() {
    for (from, to, key) in [
        ("account_id = \"111111111111\"", "account_id = \"11111111111\"", "account_id"),
        ("account_id = \"222222222222\"", "account_id = \"*\"", "account_id"),
        ("partition = \"aws\"", "partition = \"aws*\"", "partition"),
        ("role_path = \"/mint/\"", "role_path = \"mint\"", "role_path"),
        ("role_path = \"/mint/\"", "role_path = \"/*/\"", "role_path"),
        ("mint:distributor\"", "mint:*\"", "mint.subjects.distributor"),
        ("mint:distributor\"", "${aws:username}\"", "mint.subjects.distributor"),
        ("mint:distributor\"", "<provider>\"", "mint.subjects.distributor"),
        ("provider = \"oidc.eks", "provider = \"https://oidc.eks", "platform.provider"),
        ("provider = \"oidc.eks", "provider = \"*.eks", "platform.provider"),
        (
            "provider_arn = \"arn:aws:iam::111111111111",
            "provider_arn = \"arn:aws:iam::999999999999",
            "platform.provider_arn",
        ),
        ("audience = \"sts.amazonaws.com\"", "audience = \"*\"", "platform.audience"),
        ("name = \"payments-credentials\"", "name = \"payments-*\"", "name"),
        ("prefix = \"live\"", "prefix = \"live*\"", "prefix"),
        ("prefix = \"live\"", "prefix = \"../live\"", "prefix"),
        ("key/11111111-", "alias/11111111-", "teams.payments.buckets.kms_key"),
        ("key/11111111-2222-3333-4444-555555555555", "key/*", "teams.payments.buckets.kms_key"),
        ("kms:eu-central-1:222222222222", "kms:eu-central-1:999999999999", "teams.payments.buckets.kms_key"),
        (
            "provider = \"broker.example.org\"",
            "provider = \"broker.example.org:8443\"",
            "teams.payments.broker.provider",
        ),
        ("tag_key = \"mint_application\"", "tag_key = \"*\"", "teams.payments.broker.tag_key"),
        ("applications:abc\"", "applications:*\"", "teams.payments.applications.abc.subject"),
        (
            "external_id = \"6f1d0a52-mint-abcd\"",
            "external_id = \"*\"",
            "teams.payments.applications.abcd.external_id",
        ),
    ] {
        let said = refusal(from, to);
        assert!(said.contains(key), "{to}: {said}");
    }
}

#[test]
fn an_unknown_key_is_refused_and_named() {
    for (from, to, key) in [
        ("partition =", "partitions =", "partitions"),
        ("audience =", "audiences =", "audiences"),
        ("tag_key =", "tagkey =", "tagkey"),
        ("kms_key =", "kms =", "kms"),
        ("external_id =", "externalid =", "externalid"),
        ("[platform]", "[platforms]", "platforms"),
    ] {
        assert!(refusal(from, to).contains(&format!("`{key}`")), "{to}: {}", refusal(from, to));
    }
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    for (from, to, words) in [
        (
            "distributor = \"",
            "rotator = \"system:serviceaccount:mint:rotator\"\ndistributor = \"",
            "mint.subjects.rotator",
        ),
        ("distributor = \"", "broker = \"", "mint.subjects.distributor is missing"),
        ("distributor = \"", "writer = \"", "no service of Mint"),
        ("id = \"search\"", "id = \"payments\"", "listed twice"),
        ("333333333333", "222222222222", "have one account"),
        ("search-credentials", "payments-credentials", "is of payments and of search"),
        (
            "payments-credentials-2\"",
            "payments-credentials\"\nprefix = \"live\"",
            "listed twice with one prefix",
        ),
        ("payments-credentials-2\"", "payments-credentials\"", "two kms_key"),
        ("id = \"abcd\"", "id = \"abc\"", "listed twice"),
        ("owner_account = \"444444444444\"\n", "", "either subject, or owner_account and external_id"),
        ("serviceaccount:applications:abc", "serviceaccount:mint:distributor", "would read as abc"),
    ] {
        let said = refusal(from, to);
        assert!(said.contains(words), "{to}: {said}");
    }
    assert!(Config::parse("").unwrap_err().to_string().contains("`mint`"));
}

#[test]
fn another_partition_has_its_own_arns_and_names_of_services() {
    let text = EXAMPLE
        .replace("partition = \"aws\"", "partition = \"aws-cn\"")
        .replace("\"arn:aws:", "\"arn:aws-cn:")
        .replace("eu-central-1:222222222222", "cn-north-1:222222222222");
    let files = rendered(&text);
    for file in files.values() {
        assert!(!file.text.contains("arn:aws:"), "{}: {}", file.path, file.text);
    }
    assert!(files["mint/mint-distributor/kms.json"].text.contains("\"s3.cn-north-1.amazonaws.com.cn\""));
}

#[test]
fn what_aws_would_refuse_for_its_length_is_not_rendered() {
    let mut more = String::new();
    for index in 0..200 {
        writeln!(
            more,
            "
[[teams.buckets]]
name = \"payments-credentials-x{index}\""
        )
        .unwrap();
    }
    let text = EXAMPLE.replacen("\n[teams.broker]", &format!("{more}\n[teams.broker]"), 1);
    let refused = render(&Config::parse(&text).unwrap()).unwrap_err();
    assert!(
        matches!(&refused, Error::TooLong { file, .. } if file.contains("mint-distributor")),
        "{refused}"
    );
}

#[test]
fn a_placeholder_that_nothing_fills_is_refused_by_its_name() {
    let strange = template::Template {
        file: "strange.json",
        text: r#"{"Statement": [{"Resource": "arn:aws:iam::<account>:user/<nobody>"}]}"#,
    };
    let partition = Config::parse(EXAMPLE).unwrap().partition;
    let refused = strange.fill(partition, &[("account", "111111111111")]).unwrap_err();
    assert_eq!(
        refused,
        Error::Placeholder { file: "strange.json".to_owned(), placeholder: "nobody".to_owned() }
    );
}
