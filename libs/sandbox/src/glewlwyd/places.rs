//! The places of a user's passwords: a PUT says by position what becomes of each.
//!
//! `""` keeps what has that place (or is nothing, if none has it), a text is a new password, and everything else
//! (`null`, a number) retires the place. Places beyond the list's end are retired too, but an empty list changes
//! nothing.

use serde_json::Value;
use zeroize::Zeroizing;

/// What becomes of one place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Kept,
    Fresh(Zeroizing<String>),
    Retired,
}

pub(super) fn places(written: &[Value]) -> Vec<Place> {
    let place = |value: &Value| match value.as_str() {
        Some("") => Place::Kept,
        Some(password) => Place::Fresh(Zeroizing::new(password.to_owned())),
        None => Place::Retired,
    };
    written.iter().map(place).collect()
}

/// The passwords after the change, in their new order. `fresh` are those of the fresh places, in order.
pub(super) fn settled<T>(present: Vec<T>, places: &[Place], fresh: Vec<T>) -> Vec<T> {
    if places.is_empty() {
        return present;
    }
    let (mut present, mut fresh) = (present.into_iter(), fresh.into_iter());
    let mut after = Vec::new();
    for place in places {
        let had = present.next();
        match place {
            Place::Kept => after.extend(had),
            Place::Fresh(_) => after.extend(fresh.next()),
            Place::Retired => {}
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(present: &[&str], written: &Value) -> Vec<String> {
        let places = places(written.as_array().unwrap());
        let fresh = places.iter().filter_map(|place| match place {
            Place::Fresh(password) => Some(password.to_string()),
            Place::Kept | Place::Retired => None,
        });
        let fresh = fresh.collect();
        settled(present.iter().map(|&password| password.to_owned()).collect(), &places, fresh)
    }

    #[test]
    fn a_list_says_by_position_what_becomes_of_each_password() {
        // Each row was tried with the real server.
        for (present, written, expected) in [
            (vec!["a"], json!(["", "b"]), vec!["a", "b"]),
            (vec!["a", "b"], json!([null, ""]), vec!["b"]),
            (vec!["a", "b", "c"], json!(["", "", ""]), vec!["a", "b", "c"]),
            (vec!["a", "b", "c"], json!(["", null, ""]), vec!["a", "c"]),
            (vec!["a", "c"], json!(["new", ""]), vec!["new", "c"]),
            (vec!["a", "c"], json!(["", "", "d"]), vec!["a", "c", "d"]),
            (vec!["a", "c", "d"], json!(["e"]), vec!["e"]),
            (vec!["e", "f", "g"], json!(["", "x"]), vec!["e", "x"]),
            (vec!["e", "x"], json!(["", "", "", ""]), vec!["e", "x"]),
            (vec!["e", "x"], json!([]), vec!["e", "x"]),
            (vec!["h", "i"], json!([null, null]), vec![]),
            (vec!["h", "i"], json!(["", 5]), vec!["h"]),
            (vec![], json!(["", "a"]), vec!["a"]),
        ] {
            assert_eq!(after(&present, &written), expected, "{present:?} and {written}");
        }
    }
}
