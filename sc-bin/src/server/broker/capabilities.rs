//! The capabilities of a new session: what they say to this server, and what the browser needs so
//! that its requests go by the job's proxy.

use serde_json::{Map, Value, json};

/// The part of the capabilities that is for this server.
const OPTIONS: &str = "sauce:options";
/// Browsers' own parts.
const CHROMIUM: [&str; 2] = ["goog:chromeOptions", "ms:edgeOptions"];
const FIREFOX: &str = "moz:firefoxOptions";
/// Has Chromium ask the proxy for local addresses, too.
const NOT_EVEN_LOOPBACK: &str = "<-loopback>";
/// Arguments by which a test would choose another proxy.
const PROXY_ARGUMENTS: [&str; 5] =
    ["proxy-server", "proxy-bypass-list", "proxy-pac-url", "proxy-auto-detect", "no-proxy-server"];
/// Firefox's wish for the same.
const HIJACK_LOCALHOST: &str = "network.proxy.allow_hijacking_localhost";
/// Old names, and names without [`OPTIONS`] around them. No backend takes them.
const OLD_NAMES: [&str; 11] = [
    "tunnelName",
    "tunnelIdentifier",
    "tunnel-identifier",
    "tunnelOwner",
    "parentTunnel",
    "parent-tunnel",
    "username",
    "accessKey",
    "name",
    "build",
    "tags",
];

/// The request for a session is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadCapabilities {
    /// Not JSON.
    #[error("the body is not JSON: {0}")]
    Json(String),
    /// Nothing of W3C's form.
    #[error(
        "the body has no \"capabilities\": use a W3C WebDriver client (Selenium 4, WebdriverIO); \
         \"desiredCapabilities\" alone are not taken"
    )]
    NotW3c,
    /// A part of it is of the wrong kind.
    #[error("{0} is not of the kind that W3C WebDriver wants")]
    Kind(&'static str),
}

/// A request for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    always: Map<String, Value>,
    first: Vec<Map<String, Value>>,
    /// What is said to this server.
    options: Map<String, Value>,
}

/// How a browser's requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Sites' own certificates reach it.
    Sites,
    /// Some are of the re-signing CA, which browsers do not know.
    Resigned,
}

impl Wanted {
    /// Reads the body of `POST /session`. What is for this server is taken out of it: it holds the
    /// access key, and backends refuse what they do not know.
    pub(super) fn read(body: &[u8]) -> Result<Self, BadCapabilities> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| BadCapabilities::Json(error.to_string()))?;
        let Value::Object(mut body) = body else { return Err(BadCapabilities::NotW3c) };
        let Some(capabilities) = body.remove("capabilities") else {
            return Err(BadCapabilities::NotW3c);
        };
        let mut capabilities = object("capabilities", Some(capabilities))?;
        let mut always = object("alwaysMatch", capabilities.remove("alwaysMatch"))?;
        let mut first = match capabilities.remove("firstMatch") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(entries)) => entries
                .into_iter()
                .map(|entry| object("firstMatch", Some(entry)))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(BadCapabilities::Kind("firstMatch")),
        };
        // Selenium 3 sends both forms.
        let mut old = object("desiredCapabilities", body.remove("desiredCapabilities"))?;
        let mut options = Map::new();
        for part in std::iter::once(&mut always).chain(&mut first).chain([&mut old]) {
            let named = object(OPTIONS, part.remove(OPTIONS))?;
            let bare = OLD_NAMES.iter().filter_map(|name| {
                let value = part.remove(*name)?;
                Some(((*name).to_owned(), value))
            });
            // The first that says something counts.
            for (name, value) in named.into_iter().chain(bare) {
                options.entry(name).or_insert(value);
            }
        }
        Ok(Self { always, first, options })
    }

    /// The first of these options that is a text with something in it.
    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        let texts = names.iter().filter_map(|name| self.options.get(*name)?.as_str());
        texts.map(str::to_owned).find(|text| !text.is_empty())
    }

    /// A number of seconds.
    pub(super) fn seconds(&self, name: &str) -> Option<u32> {
        self.options.get(name)?.as_u64().map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// What is said about the job: `build`, `tags`, `custom-data`.
    pub(super) fn option(&self, names: &[&str]) -> Option<&Value> {
        names.iter().find_map(|name| self.options.get(*name)).filter(|value| !value.is_null())
    }

    /// Has the browser send its requests to `proxy`, those for local addresses, too. What the test
    /// said about proxies is void: it asked for a tunnel.
    pub(super) fn go_by(&mut self, proxy: &str, trust: Trust) {
        for entry in &mut self.first {
            entry.remove("proxy");
        }
        let mut manual = json!({"proxyType": "manual", "httpProxy": proxy, "sslProxy": proxy});
        if !self.take_localhost() {
            // A browser that nobody named: chromedriver makes this the argument.
            manual["noProxy"] = json!([NOT_EVEN_LOOPBACK]);
        }
        self.always.insert("proxy".to_owned(), manual);
        if trust == Trust::Resigned {
            for entry in &mut self.first {
                entry.remove("acceptInsecureCerts");
            }
            self.always.insert("acceptInsecureCerts".to_owned(), Value::Bool(true));
        }
    }

    /// The body for the backend.
    pub(super) fn body(self) -> Vec<u8> {
        let mut capabilities = Map::new();
        if !self.first.is_empty() {
            let first = self.first.into_iter().map(Value::Object).collect();
            capabilities.insert("firstMatch".to_owned(), Value::Array(first));
        }
        capabilities.insert("alwaysMatch".to_owned(), Value::Object(self.always));
        json!({ "capabilities": capabilities }).to_string().into_bytes()
    }

    /// Has each browser that may be meant ask the proxy for local addresses. Says whether one was
    /// named.
    fn take_localhost(&mut self) -> bool {
        let mut named = false;
        for vendor in CHROMIUM.into_iter().chain([FIREFOX]) {
            let is_meant = |part: &Map<String, Value>| {
                part.contains_key(vendor)
                    || part
                        .get("browserName")
                        .and_then(Value::as_str)
                        .is_some_and(|name| vendor_of(name) == Some(vendor))
            };
            // W3C wants each key in one of the two places.
            let by_entry = self.first.iter().any(|entry| entry.contains_key(vendor));
            let always = is_meant(&self.always);
            if always && !by_entry {
                take_localhost(&mut self.always, vendor);
                named = true;
                continue;
            }
            for entry in &mut self.first {
                if always || is_meant(entry) {
                    take_localhost(entry, vendor);
                    named = true;
                }
            }
        }
        named
    }
}

/// Whose options a browser takes.
fn vendor_of(browser: &str) -> Option<&'static str> {
    Some(match browser.to_ascii_lowercase().as_str() {
        "chrome" | "chromium" | "googlechrome" => CHROMIUM[0],
        "microsoftedge" | "msedge" | "edge" => CHROMIUM[1],
        "firefox" => FIREFOX,
        _ => return None,
    })
}

fn take_localhost(part: &mut Map<String, Value>, vendor: &str) {
    let options = part.entry(vendor).or_insert_with(|| json!({}));
    // What is of the wrong kind is the backend's to refuse.
    let Value::Object(options) = options else { return };
    if vendor == FIREFOX {
        if let Value::Object(prefs) = options.entry("prefs").or_insert_with(|| json!({})) {
            prefs.insert(HIJACK_LOCALHOST.to_owned(), Value::Bool(true));
        }
        return;
    }
    if let Value::Array(arguments) = options.entry("args").or_insert_with(|| json!([])) {
        arguments.retain(|argument| !argument.as_str().is_some_and(chooses_proxy));
        arguments.push(format!("--proxy-bypass-list={NOT_EVEN_LOOPBACK}").into());
    }
}

fn chooses_proxy(argument: &str) -> bool {
    let name = argument.trim_start_matches('-').split('=').next().unwrap_or_default();
    PROXY_ARGUMENTS.contains(&name)
}

fn object(what: &'static str, value: Option<Value>) -> Result<Map<String, Value>, BadCapabilities> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(fields)) => Ok(fields),
        Some(_) => Err(BadCapabilities::Kind(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> Wanted {
        Wanted::read(body.to_string().as_bytes()).unwrap()
    }

    fn sent(wanted: Wanted) -> Value {
        serde_json::from_slice::<Value>(&wanted.body()).unwrap()["capabilities"].clone()
    }

    #[test]
    fn options_are_found_wherever_clients_put_them_and_go_no_further() {
        for capabilities in [
            json!({"alwaysMatch": {"sauce:options": {"tunnelName": "a", "accessKey": "K"}}}),
            json!({"alwaysMatch": {}, "firstMatch": [{"sauce:options": {"tunnelName": "a"}}]}),
            json!({"alwaysMatch": {"tunnelIdentifier": "a"}}),
            json!({"firstMatch": [{"sauce:options": {"tunnelIdentifier": "a", "name": "n"}}]}),
        ] {
            let wanted = read(&json!({"capabilities": capabilities}));
            let name = wanted.text(&["tunnelName", "tunnelIdentifier"]);
            assert_eq!(name.as_deref(), Some("a"), "{capabilities}");
            let sent = sent(wanted).to_string();
            assert!(!sent.contains("sauce") && !sent.contains("tunnel"), "{sent}");
        }
        let both = json!({
            "capabilities": {"alwaysMatch": {"browserName": "chrome"}},
            "desiredCapabilities": {"parentTunnel": "boss", "accessKey": "K"}
        });
        let wanted = read(&both);
        assert_eq!(wanted.text(&["tunnelOwner", "parentTunnel"]).as_deref(), Some("boss"));
        assert_eq!(sent(wanted), json!({"alwaysMatch": {"browserName": "chrome"}}));
    }

    #[test]
    fn chromium_gets_the_proxy_and_has_no_exception_for_localhost() {
        let mut wanted = read(&json!({"capabilities": {
            "alwaysMatch": {"browserName": "chrome", "acceptInsecureCerts": false},
            "firstMatch": [{
                "goog:chromeOptions": {"args": ["--headless", "--proxy-server=x:1"]},
                "proxy": {"proxyType": "direct"}
            }]
        }}));
        wanted.go_by("127.0.0.1:20000", Trust::Sites);
        let proxy = "127.0.0.1:20000";
        assert_eq!(
            sent(wanted),
            json!({
                "alwaysMatch": {
                    "browserName": "chrome", "acceptInsecureCerts": false,
                    "proxy": {"proxyType": "manual", "httpProxy": proxy, "sslProxy": proxy}
                },
                "firstMatch": [{"goog:chromeOptions":
                    {"args": ["--headless", "--proxy-bypass-list=<-loopback>"]}}]
            })
        );
    }

    #[test]
    fn each_browser_is_told_in_its_own_words() {
        let go = |capabilities: Value| {
            let mut wanted = read(&json!({ "capabilities": capabilities }));
            wanted.go_by("h:1", Trust::Resigned);
            sent(wanted)
        };
        let firefox = go(json!({"alwaysMatch": {"browserName": "firefox"}}));
        let always = &firefox["alwaysMatch"];
        assert_eq!(always["moz:firefoxOptions"]["prefs"][HIJACK_LOCALHOST], true);
        assert!(always["acceptInsecureCerts"] == true && always["proxy"]["noProxy"].is_null());
        let both = go(json!({"firstMatch": [
            {"browserName": "MicrosoftEdge"}, {"browserName": "firefox"}, {"browserName": "safari"}
        ]}));
        let first = both["firstMatch"].as_array().unwrap();
        assert_eq!(first[0]["ms:edgeOptions"]["args"][0], "--proxy-bypass-list=<-loopback>");
        assert!(first[1]["moz:firefoxOptions"].is_object() && first[2].get("prefs").is_none());
        assert!(both["alwaysMatch"].get("goog:chromeOptions").is_none());
        let nobody = go(json!({"alwaysMatch": {}}));
        assert_eq!(nobody["alwaysMatch"]["proxy"]["noProxy"], json!(["<-loopback>"]));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let read = |body: &str| Wanted::read(body.as_bytes()).unwrap_err();
        assert!(matches!(read("{"), BadCapabilities::Json(_)));
        for body in ["[]", "{}", r#"{"desiredCapabilities": {}}"#] {
            assert_eq!(read(body), BadCapabilities::NotW3c, "{body}");
        }
        let body = r#"{"capabilities": {"firstMatch": {}}}"#;
        assert_eq!(read(body), BadCapabilities::Kind("firstMatch"));
        let body = r#"{"capabilities": {"alwaysMatch": {"sauce:options": 1}}}"#;
        assert_eq!(read(body), BadCapabilities::Kind("sauce:options"));
    }
}
