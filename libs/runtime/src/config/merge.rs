//! The environment over the file.

use std::collections::BTreeMap;

use super::ConfigError;
use super::document::Node;

/// Sets every variable with the prefix: `MINT_ROTATOR__STATE__URL` is `state.url`, and below `peers` an underscore in a
/// name is a hyphen (`MINT_ROTATOR__PEERS__REGISTRY_SYNC`).
pub(super) fn environment(
    document: &mut Node,
    prefix: &str,
    variables: &[(String, String)],
) -> Result<(), ConfigError> {
    for (variable, text) in variables {
        let Some(rest) = variable.strip_prefix(prefix) else {
            continue;
        };
        let mut keys: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
        if keys.iter().any(String::is_empty) {
            return Err(ConfigError::new(variable, "is unknown: it names no key"));
        }
        if let [section, peer] = keys.as_mut_slice()
            && section == "peers"
        {
            *peer = peer.replace('_', "-");
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        set(document, &keys, Node::Environment { variable: variable.clone(), text: text.clone() });
    }
    Ok(())
}

/// Sets one value; a value in its way becomes a table, which decoding then refuses by name.
pub(super) fn set(node: &mut Node, keys: &[&str], value: Node) {
    let Some((key, rest)) = keys.split_first() else {
        *node = value;
        return;
    };
    if !matches!(node, Node::Table(_)) {
        *node = Node::Table(BTreeMap::new());
    }
    if let Node::Table(entries) = node {
        let child = entries.entry((*key).to_owned()).or_insert_with(|| Node::Table(BTreeMap::new()));
        set(child, rest, value);
    }
}
