//! What a body says about a user or a client, and the sentences that refuse one.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::places::{Place, places};

/// What a body changes of a user; what is absent stays.
#[derive(Debug, Default)]
pub(super) struct WrittenUser {
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) scope: Option<Vec<String>>,
    pub(super) passwords: Vec<Place>,
}

/// What a body changes of a client. `password` stays if it is absent; `properties` and `client_secret` do not.
#[derive(Debug, Default)]
pub(super) struct WrittenClient {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) confidential: Option<bool>,
    pub(super) scope: Option<Vec<String>>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) client_secret: Option<Zeroizing<String>>,
    pub(super) properties: Map<String, Value>,
}

/// Properties of a client that are lists of texts.
const LISTS: [&str; 3] = ["redirect_uri", "authorization_type", "token_endpoint_auth_method"];

impl WrittenUser {
    pub(super) fn read(body: &Value) -> Result<Self, Vec<String>> {
        let mut reader = Reader::of(body);
        let user = Self {
            name: reader.text("name", "name must be a string (maximum 256 characters)"),
            email: reader.text("email", "email must be a string (maximum 512 characters)"),
            enabled: reader.truth("enabled"),
            scope: reader.texts("scope"),
            passwords: reader.passwords(),
        };
        reader.strings_only(&["username", "name", "email", "enabled", "scope", "password", "source"]);
        reader.finished(user)
    }
}

impl WrittenClient {
    pub(super) fn read(body: &Value) -> Result<Self, Vec<String>> {
        let mut reader = Reader::of(body);
        let client_secret = body["client_secret"].as_str().filter(|secret| !secret.is_empty());
        let client = Self {
            name: reader.text("name", "name must be a string (maximum 256 characters)"),
            description: reader.text("description", "description must be a string (maximum 512 characters)"),
            enabled: reader.truth("enabled"),
            confidential: reader.truth("confidential"),
            scope: reader.texts("scope"),
            password: reader.text("password", "password must be a string").map(Zeroizing::new),
            client_secret: client_secret.map(|secret| Zeroizing::new(secret.to_owned())),
            properties: reader.lists(),
        };
        let mut known = vec![
            "client_id",
            "name",
            "description",
            "enabled",
            "confidential",
            "scope",
            "password",
            "source",
        ];
        known.extend(LISTS);
        reader.strings_only(&known);
        reader.finished(client)
    }
}

/// Takes values and collects what is wrong with them, as the real server does.
struct Reader<'b> {
    body: &'b Value,
    wrong: Vec<String>,
}

impl<'b> Reader<'b> {
    fn of(body: &'b Value) -> Self {
        Self { body, wrong: Vec::new() }
    }

    fn text(&mut self, key: &str, sentence: &str) -> Option<String> {
        let value = self.body.get(key)?;
        if !value.is_string() {
            self.wrong.push(sentence.to_owned());
        }
        value.as_str().map(str::to_owned)
    }

    fn truth(&mut self, key: &str) -> Option<bool> {
        let value = self.body.get(key)?;
        if !value.is_boolean() {
            self.wrong.push(format!("{key} must be a boolean"));
        }
        value.as_bool()
    }

    fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let read = list_of_texts(self.body.get(key)?);
        if read.is_none() {
            self.wrong.push(format!("{key} must be a JSON array of string"));
        }
        read
    }

    fn passwords(&mut self) -> Vec<Place> {
        match self.body.get("password") {
            None => Vec::new(),
            Some(Value::Array(written)) => places(written),
            Some(_) => {
                self.wrong.push("password must be an array".to_owned());
                Vec::new()
            }
        }
    }

    fn lists(&mut self) -> Map<String, Value> {
        let mut lists = Map::new();
        for name in LISTS {
            let Some(value) = self.body.get(name) else { continue };
            if list_of_texts(value).is_none() {
                self.wrong.push(format!("property '{name}' must be a JSON array"));
            }
            lists.insert(name.to_owned(), value.clone());
        }
        lists
    }

    /// Other properties are taken if they are texts, and not kept.
    fn strings_only(&mut self, known: &[&str]) {
        let others = self.body.as_object().into_iter().flatten();
        let others = others.filter(|(key, value)| !known.contains(&key.as_str()) && !value.is_string());
        let sentence =
            |key: &String| format!("property '{key}' must be a string value (maximum 16M characters)");
        self.wrong.extend(others.map(|(key, _)| sentence(key)));
    }

    fn finished<T>(self, read: T) -> Result<T, Vec<String>> {
        if self.wrong.is_empty() { Ok(read) } else { Err(self.wrong) }
    }
}

fn list_of_texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}
