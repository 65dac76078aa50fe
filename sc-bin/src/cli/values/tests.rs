use std::fs;

use clap::Parser as _;

use super::*;
use crate::cli::args::Cli;
use crate::cli::settings::{Settings, SettingsError};

/// What a value of each kind comes to, whatever the version.
fn told(values: &Values, id: &str) -> String {
    match id {
        "tunnel-pool" => values.switch(id).map(|on| format!("{on:?}")),
        "reconnect" => values.number::<u32>(id, 0..=100).map(|number| format!("{number:?}")),
        "verbose" => values.count(id).map(|count| count.to_string()),
        "max-age" => values.duration(id).map(|span| format!("{span:?}")),
        "runtime" => values.word(id).map(|word| format!("{word:?}")),
        "readyfile" => Ok(format!("{:?}", values.path(id))),
        "header" | "direct-domains" | "auth" => Ok(values.items(id).join("|")),
        _ => Ok(values.text(id).unwrap_or_default()),
    }
    .unwrap()
}

/// The command line goes before the environment, that before the file, for every kind of value.
#[cfg(feature = "config")]
#[test]
fn nearer_sources_go_first() {
    let folder = tempfile::tempdir().unwrap();
    for (command, id, key, flag, variable, file, all) in [
        (
            "sc",
            "tunnel-pool",
            "tunnel-pool",
            "--tunnel-pool=false",
            "true",
            "true",
            ["Some(false)", "Some(true)", "Some(true)"],
        ),
        (
            "sc",
            "reconnect",
            "reconnect",
            "--reconnect=1",
            "2",
            "3",
            ["Some(1)", "Some(2)", "Some(3)"],
        ),
        ("sc", "verbose", "verbose", "-vvv", "2", "1", ["3", "2", "1"]),
        (
            "sc",
            "max-age",
            "max-age",
            "--max-age=1s",
            "2s",
            "3s",
            ["Some(1s)", "Some(2s)", "Some(3s)"],
        ),
        (
            "sc",
            "readyfile",
            "readyfile",
            "-fa",
            "b",
            "c",
            ["Some(\"a\")", "Some(\"b\")", "Some(\"c\")"],
        ),
        ("sc", "access-key", "api-key", "-kA", "B", "C", ["A", "B", "C"]),
        ("sc run", "access-key", "access-key", "--access-key=A", "B", "C", ["A", "B", "C"]),
        (
            "sc run",
            "auth",
            "auth",
            "-au:p@a:1",
            "u:p@b:1,u:p@c:1",
            "[u:p@d:1]",
            ["u:p@a:1", "u:p@b:1|u:p@c:1", "u:p@d:1"],
        ),
        (
            "sc run",
            "header",
            "header",
            "-Ha: 1, 2",
            "b: 1\nc: 2",
            "['d: 1, 2', 'e;']",
            ["a: 1, 2", "b: 1|c: 2", "d: 1, 2|e;"],
        ),
        (
            "sc run",
            "direct-domains",
            "direct-domains",
            "-D-a,b",
            "c,d",
            "['e{1,2}', f]",
            ["-a|b", "c|d", "e{1,2}|f"],
        ),
    ] {
        let dialect = if command == "sc" { Dialect::V4 } else { Dialect::V5 };
        let name = table::identified(dialect, id).unwrap().variables().remove(0);
        let path = folder.path().join("c.yaml");
        fs::write(&path, format!("{key}: {file}\n")).unwrap();
        let path = path.to_str().unwrap();
        let mut words: Vec<&str> = command.split(' ').collect();
        words.extend(["--config-file", path]);
        let from_file = told(&Values::of_words(&words, &[]), id);
        let from_variable = told(&Values::of_words(&words, &[(&name, variable)]), id);
        words.push(flag);
        let values = Values::of_words(&words, &[(&name, variable)]);
        assert_eq!([told(&values, id).as_str(), &from_variable, &from_file], all, "{key}");
        // An empty variable is none.
        words.pop();
        assert_eq!(told(&Values::of_words(&words, &[(&name, "")]), id), all[2], "{key}");
    }
}

#[test]
fn what_is_no_value_of_its_kind_says_where_it_came_from() {
    let values = |line: &str, pair| Values::of_line(line, &[pair]);
    let error = values("sc", ("SAUCE_RECONNECT", "soon")).number::<u32>("reconnect", 1..=9);
    assert_eq!(
        error.unwrap_err().to_string(),
        "SAUCE_RECONNECT: \"soon\" is not a whole number from 1 to 9"
    );
    let error = values("sc --max-age x", ("", "")).duration("max-age").unwrap_err().to_string();
    assert!(error.starts_with("--max-age: \"x\" is no duration"), "{error}");
    let error = values("sc", ("SAUCE_OUTPUT_FORMAT", "loud")).word("output-format").unwrap_err();
    assert!(error.to_string().ends_with("[possible values: pretty, text]"), "{error}");
    let error = values("sc", ("SAUCE_TUNNEL_POOL", "perhaps")).switch("tunnel-pool").unwrap_err();
    assert!(error.to_string().contains("true or false"), "{error}");
    assert!(Cli::try_parse_from(["sc", "--output-format", "loud"]).is_err());
}

#[test]
fn what_changes_nothing_is_told_and_what_needs_a_decision_is_refused() {
    let notes = |line: &str| Values::of_line(line, &[]).notes();
    assert_eq!(notes("sc -u a --tunnel-pool"), Ok(Vec::new()));
    let told =
        notes("sc --ocsp strict --vm-version dev --kgp-port 443 --wait-tunnel-shutdown").unwrap();
    assert_eq!(told.len(), 4);
    assert!(told.iter().any(|note| note.starts_with("--ocsp has no effect: ")), "{told:?}");
    assert_eq!(notes("sc --wait-tunnel-shutdown=false"), Ok(Vec::new()));
    let told = notes("sc run --kerberos-cfg-file x -r us-west").unwrap();
    assert_eq!(told.len(), 2);
    let error = notes("sc run --kerberos-auth-upstream-proxy").unwrap_err().to_string();
    assert!(error.contains("put a proxy"), "{error}");
    assert!(notes("sc run --kerberos-auth-upstream-proxy=false").is_ok());
    // A line of the console each, and no failure.
    let line = "sc -u a -k k -x http://h --capath /ca --region us-west";
    let settings = Settings::of_line(line, &[]).unwrap();
    assert_eq!(settings.notes.len(), 2);
}

#[test]
fn a_key_comes_from_a_file_too_and_from_the_nearest_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, "FILEKEY\nmore\n").unwrap();
    let path = path.to_str().unwrap();
    let key = |line: &str, variables: &[(&str, &str)]| {
        let line = format!("{line} -i mine --rest-url http://h");
        Settings::of_line(&line, variables).map(|settings| settings.access_key.expose().to_owned())
    };
    assert_eq!(key(&format!("sc -u a --api-key-file {path}"), &[]).unwrap(), "FILEKEY");
    assert_eq!(key(&format!("sc run -u a --access-key-file={path}"), &[]).unwrap(), "FILEKEY");
    let variable = [("SAUCE_ACCESS_KEY", "ENVKEY")];
    assert_eq!(key(&format!("sc -u a --api-key-file {path}"), &variable).unwrap(), "FILEKEY");
    let file = [("SAUCE_ACCESS_KEY_FILE", path)];
    assert_eq!(key("sc run -u a", &file).unwrap(), "FILEKEY");
    assert_eq!(key("sc run -u a -k FLAGKEY", &file).unwrap(), "FLAGKEY");
    let both = key(&format!("sc run -u a -k K --access-key-file {path}"), &[]).unwrap_err();
    assert_eq!(
        both.to_string(),
        "--access-key and --access-key-file are both given: one is enough"
    );
    let both = key("sc run -u a", &[variable[0], file[0]]);
    assert!(matches!(both, Err(SettingsError::TwoKeys(..))), "{both:?}");
    fs::write(path, "\n").unwrap();
    let empty = key("sc run -u a", &file).unwrap_err().to_string();
    assert!(empty.starts_with("SAUCE_ACCESS_KEY_FILE: ") && empty.contains("empty"), "{empty}");
}

/// Command lines of the wrappers, images and units that people have.
#[test]
fn what_people_have_in_scripts_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sc.yaml");
    fs::write(&path, "logfile: \"-\"\nse-port: 4445\noutput-format: text\n").unwrap();
    let image = [("SAUCE_CONFIG_FILE", path.to_str().unwrap()), ("SAUCE_STATUS_ADDRESS", ":8032")];
    let none: &[(&str, &str)] = &[];
    let image = if cfg!(feature = "config") { &image[..] } else { none };
    for (line, variables) in [
        // The launcher for node and bermi's.
        ("sc -u anna -k KEY --readyfile /tmp/r -x http://h/rest/v1 -i mine", none),
        // The package saucelabs for node.
        ("sc --tunnel-identifier=mine --user=anna --api-key=KEY --rest-url=http://h/rest/v1", none),
        (
            "sc run --tunnel-name=mine --username=anna --access-key=KEY --rest-url=http://h --region=us-west",
            none,
        ),
        // Java and Jenkins: what is given twice, and what comes after.
        (
            "sc -u anna -k KEY -i other -l /tmp/a -x http://h --tunnel-name mine --logfile /tmp/b -P 4445",
            none,
        ),
        // The image of version 4.
        ("sc -u anna -k KEY -x http://h -i mine --metadata runner:docker", image),
        // GitHub's action.
        (
            "sc --user=anna --api-key=KEY --rest-url=http://h --tunnel-name=mine --region=eu-central --tunnel-pool --log-stats=0 --readyfile=/tmp/r --verbose --no-ssl-bump-domains=all",
            none,
        ),
        (
            "sc run --username anna --access-key KEY --rest-url http://h --tunnel-name mine --region us-west --api-address :8032 --proxy-localhost allow --log-level debug",
            none,
        ),
        // The unit of version 4.
        (
            "sc --user anna --api-key KEY --rest-url http://h --tunnel-name mine --logfile - --tunnel-pool --se-port 4445 --shared-tunnel",
            none,
        ),
        (
            "sc legacy -u anna -k KEY -x http://h -i mine -svN -T -p p.test:3128 -w u:p -B all -t a.test -F ads",
            none,
        ),
    ] {
        let settings =
            Settings::of_line(line, variables).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(settings.user, "anna", "{line}");
        assert_eq!(settings.access_key.expose(), "KEY");
        assert_eq!(settings.name.unwrap().as_str(), "mine");
    }
}
