//! From JSON to a list: what can be used is used, what cannot is named.

use std::collections::BTreeMap;

use mint_types::{ApplicationId, TeamId, Timestamp};
use serde_json::{Map, Value};

use crate::{
    model::{Entry, Facts, Listing, Malformed},
    ports::{SourceFault, SourceReason},
};

/// Longer texts are no names; it bounds what is stored and sent on.
const LONGEST_TEXT: usize = 4096;
/// How much of a culprit is shown.
const SHOWN: usize = 60;

/// Reads a list; an empty body is an empty list (COMPAT section 2).
pub fn list(body: &[u8]) -> Result<Listing, SourceFault> {
    if body.trim_ascii().is_empty() {
        return Ok(Listing::default());
    }
    match json(body)? {
        Value::Array(entries) => Ok(entries_of(&entries, |_, entry| Ok(entry))),
        other => Err(malformed(format!("the answer is {} instead of a list", kind_of(&other)))),
    }
}

/// Reads one application, and insists that it is the one that was asked for.
pub fn single(body: &[u8], asked: &ApplicationId) -> Result<Entry, SourceFault> {
    if body.trim_ascii().is_empty() {
        return Err(SourceFault::new(SourceReason::Incomplete, format!("the answer about {asked} is empty")));
    }
    let entry = entry(&json(body)?).map_err(|(_, detail)| malformed(format!("{asked}: {detail}")))?;
    if entry.id != *asked {
        return Err(malformed(format!("asked about {asked}, the answer is about {}", entry.id)));
    }
    Ok(entry)
}

/// Reads entries one by one; `finish` may add what only one driver knows.
pub fn entries_of(values: &[Value], finish: impl Fn(&Value, Entry) -> Result<Entry, String>) -> Listing {
    let mut by_id: BTreeMap<ApplicationId, Vec<(usize, Entry)>> = BTreeMap::new();
    let mut malformed = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let read = entry(value).and_then(|entry| {
            let id = entry.id.clone();
            finish(value, entry).map_err(|detail| (Some(id), detail))
        });
        match read {
            Ok(entry) => by_id.entry(entry.id.clone()).or_default().push((index, entry)),
            Err((id, detail)) => {
                let detail = format!("entry {index} ({}): {detail}", shown_id(value));
                malformed.push(Malformed { id, detail });
            }
        }
    }
    let mut entries = Vec::new();
    for (id, mut read) in by_id {
        match (read.pop(), read.len()) {
            (Some((_, entry)), 0) => entries.push(entry),
            (Some((last, _)), _) => {
                let detail = format!("entry {last} ({:?}): the id is listed more than once", id.as_str());
                malformed.push(Malformed { id: Some(id), detail });
            }
            (None, _) => {}
        }
    }
    Listing { entries, malformed }
}

type Refusal = (Option<ApplicationId>, String);

fn entry(value: &Value) -> Result<Entry, Refusal> {
    let Value::Object(object) = value else {
        return Err((None, format!("it is {} instead of an object", kind_of(value))));
    };
    let id: ApplicationId = required(object, "id")
        .and_then(|text| text.parse().map_err(|_| "the id must match ^[a-z][a-z0-9-]*[a-z0-9]$".to_owned()))
        .map_err(|detail| (None, detail))?;
    match facts(object) {
        Ok(facts) => Ok(Entry { id, facts, settings: None }),
        Err(detail) => Err((Some(id), detail)),
    }
}

fn facts(object: &Map<String, Value>) -> Result<Facts, String> {
    let team_id: TeamId =
        required(object, "team_id")?.parse().map_err(|_| "the team_id is malformed".to_owned())?;
    let modified_at = match optional(object, "last_modified")? {
        "" => None,
        text => Some(text.parse::<Timestamp>().map_err(|_| "last_modified is no RFC 3339 time".to_owned())?),
    };
    Ok(Facts {
        team_id,
        name: required(object, "name")?.to_owned(),
        active: match object.get("active") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(active)) => *active,
            Some(other) => return Err(format!("active is {} instead of true or false", kind_of(other))),
        },
        subtitle: optional(object, "subtitle")?.to_owned(),
        service_url: optional(object, "service_url")?.to_owned(),
        modified_at,
    })
}

fn required<'o>(object: &'o Map<String, Value>, field: &str) -> Result<&'o str, String> {
    match optional(object, field)? {
        "" => Err(format!("{field} is missing")),
        text => Ok(text),
    }
}

/// Empty where it is absent or null.
fn optional<'o>(object: &'o Map<String, Value>, field: &str) -> Result<&'o str, String> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) if text.len() > LONGEST_TEXT => Err(format!("{field} is too long")),
        Some(Value::String(text)) if text.contains('\0') => Err(format!("{field} contains a NUL")),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("{field} is {} instead of a text", kind_of(other))),
    }
}

fn json(body: &[u8]) -> Result<Value, SourceFault> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_eof() {
            let detail = format!("the answer breaks off after {} bytes", body.len());
            return SourceFault::new(SourceReason::Incomplete, detail);
        }
        if body.trim_ascii_start().starts_with(b"<") {
            return malformed("the answer is a web page instead of JSON".to_owned());
        }
        malformed(format!("the answer is not JSON (line {}, column {})", error.line(), error.column()))
    })
}

fn malformed(detail: String) -> SourceFault {
    SourceFault::new(SourceReason::Malformed, detail)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The culprit's id as it was written, escaped and shortened.
fn shown_id(value: &Value) -> String {
    match value.get("id") {
        Some(Value::String(text)) => format!("{:?}", text.chars().take(SHOWN).collect::<String>()),
        Some(other) => kind_of(other).to_owned(),
        None => "no id".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(listing: &Listing) -> Vec<&str> {
        listing.entries.iter().map(|entry| entry.id.as_str()).collect()
    }

    #[test]
    fn a_good_list_is_read_with_its_optional_fields() {
        let body = br#"[{"id":"kio","team_id":"stups","name":"Kio","active":false,"subtitle":"s","service_url":null,
            "last_modified":"2026-11-22T01:02:03Z","criticality_level":2},{"id":"a1","team_id":"b","name":"A"}]"#;
        let listing = list(body).unwrap();
        assert_eq!(ids(&listing), ["a1", "kio"]);
        let kio = &listing.entries[1].facts;
        assert_eq!((kio.active, kio.subtitle.as_str(), kio.service_url.as_str()), (false, "s", ""));
        assert_eq!(kio.modified_at.unwrap().to_string(), "2026-11-22T01:02:03Z");
        assert!(listing.entries[0].facts.active);
    }

    #[test]
    fn every_broken_body_has_its_reason() {
        let table: [(&[u8], SourceReason); 8] = [
            (b"<!doctype html><html>", SourceReason::Malformed),
            (b"not json", SourceReason::Malformed),
            (b"{\"id\":\"kio\"}", SourceReason::Malformed),
            (b"42", SourceReason::Malformed),
            (b"[] []", SourceReason::Malformed),
            (b"\xff\xfe", SourceReason::Malformed),
            (b"[{\"id\":\"kio\",\"team_id\":\"stups\",\"name\":\"K\"},{\"id\":\"a", SourceReason::Incomplete),
            (b"[{\"id\":\"kio\",\"team_id\":\"stups\",\"name\":\"K\"},", SourceReason::Incomplete),
        ];
        for (body, reason) in table {
            assert_eq!(list(body).unwrap_err().reason, reason, "{:?}", String::from_utf8_lossy(body));
        }
        let spaces = vec![b' '; 10_000_000];
        for empty in [&b""[..], b"[]", b" \n", &spaces] {
            assert_eq!(list(empty).unwrap(), Listing::default());
        }
    }

    #[test]
    fn a_malformed_entry_is_named_and_the_others_go_on() {
        let table = [
            (r#"{"id":"a/b","team_id":"t","name":"N"}"#, None, "\"a/b\""),
            (r#"{"id":"..","team_id":"t","name":"N"}"#, None, "\"..\""),
            (r#"{"id":"a1","team_id":"t","name":7}"#, Some("a1"), "name is a number"),
            (r#"{"id":"a1","team_id":["t"],"name":"N"}"#, Some("a1"), "team_id is a list"),
            (r#"{"id":"a1","name":"N"}"#, Some("a1"), "team_id is missing"),
            (r#"{"id":"a1","team_id":"t","name":"N","active":"yes"}"#, Some("a1"), "active is a text"),
            (r#"{"id":"a1","team_id":"t","name":"N","last_modified":"soon"}"#, Some("a1"), "last_modified"),
            (r#"{"id":"a1","team_id":"t","name":"a\u0000b"}"#, Some("a1"), "NUL"),
            (r#"{"id":12}"#, None, "a number"),
            (r#"{"team_id":"t"}"#, None, "no id"),
            ("null", None, "null"),
        ];
        for (broken, id, culprit) in table {
            let body = format!(r#"[{{"id":"kio","team_id":"stups","name":"Kio"}},{broken}]"#);
            let listing = list(body.as_bytes()).unwrap();
            assert_eq!(ids(&listing), ["kio"], "{broken}");
            let named = listing.malformed[0].id.as_ref().map(ApplicationId::as_str);
            assert_eq!(named, id, "{broken}");
            assert!(listing.malformed[0].detail.contains(culprit), "{}", listing.malformed[0].detail);
        }
    }

    #[test]
    fn an_id_that_is_listed_twice_is_used_neither_time() {
        let body = br#"[{"id":"a1","team_id":"t","name":"N"},{"id":"b1","team_id":"t","name":"N"},
            {"id":"a1","team_id":"u","name":"M"}]"#;
        let listing = list(body).unwrap();
        assert_eq!(ids(&listing), ["b1"]);
        assert_eq!(listing.malformed.len(), 1);
        assert_eq!(listing.malformed[0].id.as_ref().unwrap().as_str(), "a1");
    }

    #[test]
    fn a_direct_answer_about_another_application_is_refused() {
        let body = br#"{"id":"b1","team_id":"t","name":"N"}"#;
        assert_eq!(single(body, &"a1".parse().unwrap()).unwrap_err().reason, SourceReason::Malformed);
        assert_eq!(single(b" ", &"a1".parse().unwrap()).unwrap_err().reason, SourceReason::Incomplete);
        assert!(single(body, &"b1".parse().unwrap()).is_ok());
    }
}
