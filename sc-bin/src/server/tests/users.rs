//! User commands beside a running server.

use std::time::Duration;

use clap::Parser as _;

use super::super::args::{DataPlace, ServerArgs, ServerCommand};
use super::super::user_command::{self, Action, Output, UserCommandError};
use super::{TestServer, USER, basic, is_in_files, request};

#[test]
fn only_a_hash_of_the_key_is_on_disk() {
    let server = TestServer::start();
    let made = server.create("{}");
    assert_eq!(server.get("/tunnels").0, 200);
    let secret = made["kgp"]["secret"].as_str().unwrap().to_owned();
    let (key, data) = (server.key.clone(), server.data_dir());
    assert!(is_in_files(&data, USER), "the search finds what is there");
    let dir = {
        for hidden in [key.as_str(), &key.replace('-', ""), &secret] {
            assert!(!is_in_files(&data, hidden));
        }
        server.stop()
    };
    assert!(!is_in_files(&dir.path().join("data"), &key), "nor after the end");
}

#[derive(Debug, clap::Parser)]
struct Cli {
    #[command(flatten)]
    server: ServerArgs,
}

fn parsed(line: &str) -> Action {
    let words = std::iter::once("server").chain(line.split_whitespace());
    match Cli::try_parse_from(words).unwrap().server.command.unwrap() {
        ServerCommand::User { action, .. } => Action::User(action),
        ServerCommand::Fleet { action, .. } => Action::Fleet(action),
        ServerCommand::Team { action, .. } => Action::Team(action),
        ServerCommand::Organisation { action, .. } => Action::Organisation(action),
        #[cfg(feature = "operations")]
        ServerCommand::Doctor(_) => panic!("{line} changes nothing"),
    }
}

/// Carries out a command and says what it printed as its answer.
pub(super) fn command(server: &TestServer, line: &str) -> Result<String, UserCommandError> {
    let action = parsed(line);
    let (mut answer, mut notes) = (Vec::new(), Vec::new());
    let mut out = Output { answer: &mut answer, notes: &mut notes };
    let place = DataPlace { data_dir: Some(server.data_dir()), ..DataPlace::default() };
    user_command::run(action, place, &mut out)?;
    Ok(String::from_utf8_lossy(&answer).trim().to_owned())
}

fn status_for(server: &TestServer, user: &str, key: &str) -> u16 {
    let path = format!("/{user}/tunnels");
    request(&server.running, "GET", &path, Some(&basic(user, key)), None).0
}

#[test]
fn users_change_while_the_server_runs() {
    let server = TestServer::start();
    let add = |who: &str| command(&server, &format!("user add {who}"));
    server.create("{}");
    assert!(add(USER).is_err(), "there is one");
    let printed = add("bob").unwrap();
    let key = printed.as_str();
    assert_eq!(status_for(&server, "bob", key), 200, "the key stands alone and works");
    let list = command(&server, "user list").unwrap();
    let names: Vec<_> = list.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(names, ["bob", "jane"]);
    assert!(!list.contains(key));

    let rotated = command(&server, "user rotate bob").unwrap();
    assert_eq!(status_for(&server, "bob", key), 401, "the old key is void at once");
    assert_eq!(status_for(&server, "bob", rotated.trim()), 200);
    server.running.after(Duration::ZERO);
    assert_eq!(server.get("/tunnels").1.as_array().unwrap().len(), 1, "tunnels go on");
    server.stop();
}

#[test]
fn a_removed_user_loses_access_and_tunnels() {
    let server = TestServer::start();
    let tunnel = server.create("{}");
    let remove = || command(&server, "user remove jane");
    remove().unwrap();
    assert!(remove().is_err());
    assert_eq!(server.get("/tunnels").0, 401);
    server.running.after(Duration::ZERO);
    // Back again under the old name: the tunnel has ended with its owner.
    let key = server.running.add_user(USER).unwrap();
    let path = format!("/{USER}/tunnels/{}", tunnel["id"].as_str().unwrap());
    let basic = basic(USER, key.expose());
    let (_, record) = request(&server.running, "GET", &path, Some(&basic), None);
    assert_eq!(record["shutdown_reason"], "ownerRemoved");
    server.stop();
}
