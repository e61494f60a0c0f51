use super::*;

#[test]
fn an_application_id_follows_the_registrys_pattern() {
    for good in ["kio", "a1", "my-app-2", &"a".repeat(63)] {
        assert!(good.parse::<ApplicationId>().is_ok(), "{good}");
    }
    for bad in ["", "a", "1app", "app-", "-app", "App", "a/b", "..", "a.b", "a b", "ä1", &"a".repeat(64)] {
        assert!(bad.parse::<ApplicationId>().is_err(), "{bad}");
    }
}

#[test]
fn a_prefix_cannot_leave_its_directory() {
    for good in ["", "mint", "a/b.c/d_e", "..."] {
        assert!(good.parse::<Prefix>().is_ok(), "{good}");
    }
    for bad in ["/", "/a", "a/", "a//b", "..", "a/../b", ".", "a b", "a\u{0}", "*"] {
        assert!(bad.parse::<Prefix>().is_err(), "{bad}");
    }
    assert_eq!("a/b".parse::<Prefix>().unwrap().directory(), "a/b/");
    assert_eq!(Prefix::default().directory(), "");
}

#[test]
fn a_scope_is_split_at_its_last_dot() {
    let scope: Scope = "sales_order.read".parse().unwrap();
    assert_eq!((scope.resource_type(), scope.scope()), ("sales_order", "read"));
    for bad in ["", "x", ".x", "x.", "a b.c"] {
        assert!(bad.parse::<Scope>().is_err(), "{bad}");
    }
}

#[test]
fn a_bucket_name_follows_the_field() {
    for bad in ["ab", "Aaa", "a..b", "gs://bucket", "-aa", "a/b", "aa-"] {
        assert!(bad.parse::<BucketName>().is_err(), "{bad}");
    }
    assert!("team-a.credentials".parse::<BucketName>().is_ok());
}
