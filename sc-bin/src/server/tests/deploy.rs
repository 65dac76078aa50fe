//! The files in `deploy/` for fleets: they are YAML, and what they start a server with is understood.

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};
use serde::Deserialize as _;
use serde_norway::Value;

use super::super::args::ServerArgs;

#[derive(Debug, clap::Parser)]
struct Cli {
    #[command(flatten)]
    server: ServerArgs,
}

fn files() -> Vec<PathBuf> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let kubernetes = std::fs::read_dir(deploy.join("kubernetes/fleet")).unwrap();
    let mut files: Vec<PathBuf> = kubernetes.map(|entry| entry.unwrap().path()).collect();
    files.push(deploy.join("compose/fleet.yaml"));
    assert!(files.len() >= 5, "{files:?}");
    files
}

fn documents(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut documents = Vec::new();
    for document in serde_norway::Deserializer::from_str(&text) {
        let document = Value::deserialize(document);
        let mut document = document.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        document.apply_merge().unwrap();
        documents.push(document);
    }
    documents
}

/// Calls `look` for each mapping in a document.
fn for_each_mapping(value: &Value, look: &mut dyn FnMut(&serde_norway::Mapping)) {
    match value {
        Value::Mapping(mapping) => {
            look(mapping);
            mapping.values().for_each(|inner| for_each_mapping(inner, look));
        }
        Value::Sequence(list) => list.iter().for_each(|inner| for_each_mapping(inner, look)),
        _ => {}
    }
}

fn words(value: Option<&Value>) -> Option<Vec<String>> {
    let list = value?.as_sequence()?;
    list.iter().map(|word| Some(word.as_str()?.to_owned())).collect()
}

/// The names of environment variables that a container is given.
fn variables(container: &serde_norway::Mapping) -> Vec<String> {
    let name = |value: &Value| value.as_str().map(str::to_owned);
    let mut names = Vec::new();
    if let Some(Value::Mapping(variables)) = container.get("environment") {
        names.extend(variables.keys().filter_map(name));
    }
    if let Some(Value::Sequence(variables)) = container.get("env") {
        names.extend(variables.iter().filter_map(|one| name(one.get("name")?)));
    }
    names
}

#[test]
fn what_servers_are_started_with_is_understood() {
    let command = Cli::command();
    let known: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_env()).collect();
    let (mut servers, mut own_variables) = (0, 0);
    for file in files() {
        for document in documents(&file) {
            for_each_mapping(&document, &mut |container| {
                let args = words(container.get("args").or(container.get("command")));
                let Some(args) = args.filter(|args| args.first().is_some_and(|w| w == "server"))
                else {
                    return;
                };
                servers += 1;
                let parsed = Cli::try_parse_from(&args);
                assert!(parsed.is_ok(), "{}: {}", file.display(), parsed.unwrap_err());
                for name in variables(container) {
                    if name.starts_with("SC_") {
                        own_variables += 1;
                        let is_known = known.iter().any(|known| *known == name.as_str());
                        assert!(is_known, "{}: {name}", file.display());
                    }
                }
            });
        }
    }
    assert!(servers >= 4 && own_variables >= 5, "{servers}, {own_variables}");
}

/// `docs/cli.md` is made of the table of the client's options, which a test of its own sees to.
#[test]
fn what_clients_are_started_with_exists() {
    let known = include_str!("../../../../docs/cli.md");
    let mut options = 0;
    for file in files() {
        for document in documents(&file) {
            for_each_mapping(&document, &mut |container| {
                let args = words(container.get("args").or(container.get("command")));
                let Some(args) = args.filter(|args| args.first().is_some_and(|w| w == "run"))
                else {
                    return;
                };
                let flags = args.iter().filter(|word| word.starts_with("--"));
                let flags = flags.map(|word| word.split('=').next().unwrap_or_default().to_owned());
                let of_client = variables(container).into_iter();
                for name in flags.chain(of_client.filter(|name| name.starts_with("SAUCE_"))) {
                    options += 1;
                    let is_known = known.contains(&format!("`{name}`"));
                    assert!(is_known, "{}: {name}", file.display());
                }
            });
        }
    }
    assert!(options >= 4, "{options}");
}
