use std::fs;
use std::path::PathBuf;

use super::*;
use crate::cli::values::Values;

/// A file, in a folder that lives as long as the test.
fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn read_text(name: &str, text: &str, dialect: Dialect) -> Result<Vec<(String, String)>, String> {
    let (_folder, path) = file(name, text);
    let entries = read(&path, dialect).map_err(|error| error.to_string())?;
    let text = |entry: Entry| {
        let items: Vec<_> = entry.items.into_iter().map(|i| i.into_string().unwrap()).collect();
        (entry.row.long.to_owned(), items.join("|"))
    };
    Ok(entries.into_iter().map(text).collect())
}

#[test]
fn three_formats_say_the_same() {
    let yaml = "username: anna\ntunnel-pool: true\nreconnect: 90\nheader: ['a: b, c', '-X-*']\n\
                direct-domains: '^a$,^b$'\nmetadata: {runner: ci}\n";
    let json = r#"{"username": "anna", "tunnel-pool": true, "reconnect": 90,
        "header": ["a: b, c", "-X-*"], "direct-domains": "^a$,^b$", "metadata": {"runner": "ci"}}"#;
    let toml = "username = 'anna'\ntunnel-pool = true\nreconnect = 90\n\
                header = ['a: b, c', '-X-*']\ndirect-domains = '^a$,^b$'\nmetadata.runner = 'ci'\n";
    let mut expected = [
        ("username", "anna"),
        ("tunnel-pool", "true"),
        ("reconnect", "90"),
        ("header", "a: b, c|-X-*"),
        ("direct-domains", "^a$|^b$"),
        ("metadata", "runner=ci"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    expected.sort();
    for (name, text) in [("c.yaml", yaml), ("c.json", json), ("c.toml", toml), ("c.conf", yaml)] {
        let mut got = read_text(name, text, Dialect::V5).unwrap();
        got.sort();
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_without_values() {
    for (name, text, parts) in [
        (
            "c.yaml",
            "user: a\n\ntunel-name: SECRET\n",
            &["line 3", "tunel-name", "\"tunnel-name\""][..],
        ),
        ("c.yaml", "user: a\naccess-key: SECRET\n", &["line 2", "write \"api-key\""]),
        ("c.yaml", "zzz: SECRET\n", &["line 1", "\"zzz\" is not an option"]),
        ("c.yaml", "user: [a, SECRET]\n", &["line 1", "\"user\"", "one value"]),
        ("c.yaml", "user: {a: SECRET}\n", &["line 1", "keys of its own"]),
        ("c.yaml", "user: true\n", &["line 1", "takes a value"]),
        ("c.yaml", "tunnel-name: a\ntunnel-identifier: SECRET\n", &["twice"]),
        ("c.yaml", "user: 'SECRET\n", &["c.yaml, line"]),
        ("c.yaml", "SECRET\n", &["keys with values"]),
        ("c.json", "{\"user\": \"a\",\n \"api-key\": SECRET}", &["c.json, line 2"]),
        ("c.toml", "user = 'a'\napi-key = SECRET\n", &["c.toml, line 2"]),
        ("c.hcl", "user = 1", &["HCL", "YAML (.yaml, .yml), JSON (.json) or TOML (.toml)"]),
        ("c.properties", "user = 1", &["properties"]),
        ("c.yaml", "config-file: x\n", &["config-file"]),
    ] {
        let error = read_text(name, text, Dialect::V4).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
        assert!(!error.contains("SECRET"), "{error}");
    }
    let missing = read(Path::new("/no/such.yaml"), Dialect::V5).err().unwrap().to_string();
    assert!(missing.contains("/no/such.yaml"), "{missing}");
    for empty in ["", "# nothing\n"] {
        assert_eq!(read_text("c.yaml", empty, Dialect::V5), Ok(Vec::new()));
    }
}

/// The whole template of version 4.9.1, and what an older one has beside it.
#[test]
fn version_4s_own_file_is_read() {
    let text = r#"
api-key: ""
auth: []
cainfo: ""
capath: ""
direct-domains: []
dns: []
fast-fail-regexps: []
log-stats: 0
logfile: ""
max-logsize: 0
status-address: "localhost:0"
no-autodetect: false
no-proxy-caching: false
tunnel-pool: false
no-ssl-bump-domains: []
pac: ""
pidfile: ""
proxy: ""
proxy-tunnel: false
proxy-userpwd: ""
readyfile: ""
region: "us-west"
rest-url: ""
scproxy-port: 0
scproxy-read-limit: 0
scproxy-write-limit: 0
se-port: 0
shared-tunnel: false
tunnel-domains: []
tunnel-name: ""
user: ""
verbose: 0
max-missed-acks: 30
metrics-address: "localhost:8888"
reconnect: 30
vm-version: ""
"#;
    let keys = read_text("sc.yml", text, Dialect::V4).unwrap();
    assert_eq!(keys.len(), 36);
}

/// Takes the `#` before each key away.
fn in_force(template: &str) -> String {
    let key = |line: &str| {
        let key =
            line.strip_prefix('#').filter(|key| key.starts_with(|c: char| c.is_ascii_lowercase()));
        key.unwrap_or(line).to_owned() + "\n"
    };
    template.lines().map(key).collect()
}

#[test]
fn the_template_has_every_option_and_its_defaults() {
    for (dialect, command) in [(Dialect::V4, "sc legacy"), (Dialect::V5, "sc run")] {
        let template = template(dialect);
        assert_eq!(read_text("t.yaml", &template, dialect), Ok(Vec::new()));
        assert!(template.lines().all(|line| line.len() <= 120), "{template}");
        let (_folder, path) = file("t.yaml", &in_force(&template));
        let keys = read(&path, dialect).unwrap();
        let all =
            table::rows(dialect).filter(|row| !matches!(row.effect, table::Effect::Refused(_)));
        // --config-file itself is none.
        assert_eq!(keys.len(), all.count() - 1);
        // Its defaults are what is in force without it.
        let set = Values::of_line(&format!("{command} -c {}", path.display()), &[]).shown();
        let mut unset = Values::of_line(command, &[]).shown();
        unset.insert("config-file", path.display().to_string());
        for (name, value) in &set {
            let usual = &unset[name];
            let is_nothing = usual.is_empty() && ["", "false", "0"].contains(&value.as_str());
            assert!(value == usual || is_nothing, "{name}: {value:?}, not {usual:?}");
        }
    }
}
