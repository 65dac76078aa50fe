//! The tunnel's name in the capabilities of a new session.

use serde_json::{Map, Value, json};

const OPTIONS: &str = "sauce:options";
/// Words that say which tunnel is meant.
const WORDS: [&str; 3] = ["tunnelName", "tunnelIdentifier", "tunnel-identifier"];

/// The body with the name in it; `None`: it names a tunnel itself, or is for the broker to refuse.
pub(super) fn named(body: &[u8], tunnel: &str) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let capabilities = body.get("capabilities")?;
    let first = capabilities.get("firstMatch").and_then(Value::as_array);
    let parts = capabilities.get("alwaysMatch").into_iter().chain(first.into_iter().flatten());
    if parts.chain(body.get("desiredCapabilities")).filter_map(Value::as_object).any(names_one) {
        return None;
    }
    let capabilities = body.get_mut("capabilities")?.as_object_mut()?;
    let always = capabilities.entry("alwaysMatch").or_insert_with(|| json!({})).as_object_mut()?;
    let options = always.entry(OPTIONS).or_insert_with(|| json!({})).as_object_mut()?;
    options.insert(WORDS[0].to_owned(), tunnel.into());
    Some(body.to_string().into_bytes())
}

fn names_one(part: &Map<String, Value>) -> bool {
    let is_said = |part: &Map<String, Value>| WORDS.iter().any(|word| part.contains_key(*word));
    is_said(part) || part.get(OPTIONS).and_then(Value::as_object).is_some_and(is_said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_added_where_none_is() {
        let add = |body: Value| {
            let added = named(body.to_string().as_bytes(), "mine")?;
            serde_json::from_slice::<Value>(&added).ok()
        };
        let added = add(json!({"capabilities": {"alwaysMatch": {"sauce:options": {"name": "n"}}}}));
        let options = json!({"name": "n", "tunnelName": "mine"});
        assert_eq!(added.unwrap()["capabilities"]["alwaysMatch"][OPTIONS], options);
        let added = add(json!({"capabilities": {"firstMatch": [{}]}})).unwrap();
        assert_eq!(added["capabilities"]["alwaysMatch"][OPTIONS]["tunnelName"], "mine");
        for own in [
            json!({"capabilities": {"alwaysMatch": {"tunnelIdentifier": "x"}}}),
            json!({"capabilities": {"firstMatch": [{"sauce:options": {"tunnelName": "x"}}]}}),
            json!({"desiredCapabilities": {}}),
        ] {
            assert_eq!(add(own.clone()), None, "{own}");
        }
    }
}
