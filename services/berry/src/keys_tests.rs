use super::*;

type Found = Result<(String, String, Option<String>), KeysFault>;

fn found(text: &str) -> Found {
    find(text, &"shop".parse().unwrap(), DEFAULT_PROFILE).map(|key| {
        let token = key.session_token.map(|token| token.to_string());
        (key.access_key_id, key.secret_access_key.to_string(), token)
    })
}

#[expect(clippy::unnecessary_wraps, reason = "what a table expects is what `found` answers")]
fn key(id: &str, secret: &str, token: Option<&str>) -> Found {
    Ok((id.to_owned(), secret.to_owned(), token.map(str::to_owned)))
}

fn absent(wanted: &str) -> Found {
    Err(KeysFault::Absent { wanted: wanted.to_owned() })
}

const LINE_RULE: &str = "it must be <application>:<access key id>:<secret access key>";
const ANY_RULE: &str =
    "it must be <application>:<access key id>:<secret access key>, [profile], or name = value";
const WORD_RULE: &str = "each part of a key must be one word of visible characters";

#[test]
fn lines_by_application_are_read() {
    for (text, expected) in [
        ("shop:AKIA1:canary", key("AKIA1", "canary", None)),
        ("# ours\r\n\r\n  shop:AKIA1:canary \r\n", key("AKIA1", "canary", None)),
        ("other:AKIA0:x\nshop:AKIA1:canary/+=\n", key("AKIA1", "canary/+=", None)),
        ("other:broken\nshop:AKIA1:canary\n", key("AKIA1", "canary", None)),
        ("shopping:AKIA0:x\nmy-shop:AKIA2:y\n", absent("line of shop")),
        ("", absent("line of shop: it is empty")),
        ("# nothing\n\n", absent("line of shop: it is empty")),
        ("shop:AKIA1\n", Err(malformed(1, LINE_RULE))),
        ("shop:AKIA1:canary:more\n", Err(malformed(1, LINE_RULE))),
        ("\nshop:AKIA1:\n", Err(malformed(2, WORD_RULE))),
        ("shop:AKIA1:two words\n", Err(malformed(1, WORD_RULE))),
        ("shop:AKIA1:x\nshop:AKIA2:y\n", Err(malformed(2, "the application is listed twice"))),
        ("shop AKIA1 canary\n", Err(malformed(1, ANY_RULE))),
    ] {
        assert_eq!(found(text), expected, "{text:?}");
    }
}

#[test]
fn the_standard_file_is_read() {
    let full = "[default]\naws_access_key_id = AKIA1\naws_secret_access_key=canary/+=\nregion = eu-west-1\n";
    for (text, expected) in [
        (full.to_owned(), key("AKIA1", "canary/+=", None)),
        (format!("{full}aws_session_token = token==\n"), key("AKIA1", "canary/+=", Some("token=="))),
        (format!("; c\n[other]\naws_access_key_id=AKIA0\n\n{full}"), key("AKIA1", "canary/+=", None)),
        (full.replace("[default]", "[profile default]"), key("AKIA1", "canary/+=", None)),
        (full.replace("region = eu-west-1", "endpoint_url = https://s3:1"), key("AKIA1", "canary/+=", None)),
        (full.replace("[default]", "[other]"), absent("aws_access_key_id in the profile default")),
        (
            "[default]\naws_access_key_id = AKIA1\n".to_owned(),
            absent("aws_secret_access_key in the profile default"),
        ),
        (full.replace("[default]\n", ""), Err(malformed(1, "a key stands before the first [profile]"))),
        (full.replace("canary/+=", ""), Err(malformed(3, WORD_RULE))),
        (full.replace("[default]", "[default"), Err(malformed(1, ANY_RULE))),
        (format!("{full}aws_access_key_id = AKIA2\n"), Err(malformed(5, "the key is set twice"))),
    ] {
        assert_eq!(found(&text), expected, "{text:?}");
    }
}

#[test]
fn a_profile_is_chosen_by_its_name() {
    let text = "[default]\naws_access_key_id=A\naws_secret_access_key=a\n\
                [profile ops]\naws_access_key_id=B\naws_secret_access_key=b\n";
    let ops = find(text, &"shop".parse().unwrap(), "ops").map_err(|fault| fault.to_string());
    assert_eq!(ops.unwrap_or_else(|fault| panic!("{fault}")).access_key_id, "B");
}

#[test]
fn a_mixture_is_refused_by_its_line_and_shows_no_secret() {
    for (text, line) in [
        ("shop:AKIA1:canary\n[default]\naws_secret_access_key = canary\n", 2),
        ("[default]\naws_access_key_id = AKIA1\n\nshop:AKIA1:canary\n", 4),
        ("aws_secret_access_key = canary\nshop:AKIA1:canary\n", 2),
    ] {
        let fault = found(text).unwrap_err();
        assert_eq!((&fault, fault.reason()), (&KeysFault::Mixed { line }, "CREDENTIALS_FILE_MIXED"));
        assert!(!format!("{fault} {fault:?}").contains("canary"), "{fault}");
    }
}

#[test]
fn no_refusal_shows_a_part_of_a_key() {
    for text in [
        "shop:AKIAcanary\n",
        "shop:AKIAcanary:can ary-canary\n",
        "canary\n",
        "shop:a:canary\nshop:a:canary\n",
        "[default]\naws_secret_access_key = can ary-canary\n",
        "[default]\naws_access_key_id = canary\n",
        "[canary\n",
    ] {
        let fault = found(text).unwrap_err();
        assert!(!format!("{fault} {fault:?}").contains("canary"), "{text:?}: {fault}");
    }
}
