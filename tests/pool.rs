//! `sc run --pool-size`: a process that keeps several clients, whatever happens to one of them.

use std::collections::BTreeSet;
use std::process::Command;

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine, Server, User};
use sc_tests::process::Signal;
use sc_tests::wait::{PATIENCE, until};

const LINE: CommandLine = CommandLine::Version5;

fn keeper(server: &Server, user: &User, size: &str, options: &[&str]) -> Client {
    let mut command = binary::command();
    command.args(LINE.arguments(&server.rest_url(), user, "kept"));
    command.args(["--pool-size", size]).args(options);
    let keeper = Client::start_as(command);
    keeper.wait_ready(LINE);
    keeper
}

/// The ids of the tunnels that tests can use.
fn ready(server: &Server, user: &User) -> BTreeSet<String> {
    let tunnels = server.rest(user).tunnels();
    let ready = tunnels.iter().filter(|tunnel| tunnel["is_ready"] == true);
    ready.map(|tunnel| tunnel["id"].as_str().expect("an id").to_owned()).collect()
}

/// The process of a member, once it has started.
fn process_of(keeper: &Client, member: u32) -> u32 {
    let said = format!("member {member} starts, process ");
    keeper.process.wait_for(&said, |line| line.rsplit_once(&said)?.1.trim().parse().ok())
}

fn kill(process: u32) {
    let status = Command::new("kill").args(["-9", &process.to_string()]).status();
    assert!(status.expect("kill can be started").success());
}

#[test]
fn what_is_killed_comes_back_and_all_are_renewed_one_by_one() {
    let server = Server::start();
    let user = server.add_user("jane");
    let keeper = keeper(&server, &user, "3", &["--api-address", "127.0.0.1:0"]);
    let first = ready(&server, &user);
    assert_eq!(first.len(), 3, "it says ready when all are");
    assert_eq!(keeper.process.count_lines("you may start your tests"), 1, "and once");
    let address = keeper.process.wait_for("its address", |line| {
        Some(line.rsplit_once("API server listening on ")?.1.trim().to_owned())
    });
    let ask = || {
        let asked = binary::command().args(["ready", "--api-address", &address]).status();
        asked.expect("sc can be started").success()
    };
    assert!(ask());
    kill(process_of(&keeper, 1));
    until("one to be gone", || (ready(&server, &user).len() == 2).then_some(()));
    until("another one", || (ready(&server, &user).len() == 3).then_some(()));
    until("the keeper to say so", || ask().then_some(()));

    let before = ready(&server, &user);
    keeper.process.signal(Signal::HangUp);
    let mut fewest = usize::MAX;
    until("all to be new", || {
        let now = ready(&server, &user);
        fewest = fewest.min(now.len());
        (now.len() == 3 && now.is_disjoint(&before)).then_some(())
    });
    assert!(fewest >= 2, "never fewer than all but one; there were {fewest}");

    let last = ready(&server, &user);
    keeper.process.signal(Signal::Terminate);
    assert_eq!(keeper.process.wait_exit(PATIENCE).code(), Some(0));
    assert!(ready(&server, &user).is_disjoint(&last), "all have ended");
}

#[test]
fn members_are_renewed_at_their_age_and_end_with_their_keeper() {
    let server = Server::start();
    let user = server.add_user("jane");
    let keeper = keeper(&server, &user, "1", &["--max-age", "1s"]);
    let first = ready(&server, &user);
    until("a new member", || {
        let now = ready(&server, &user);
        assert!(!now.is_empty(), "there is always one");
        now.is_disjoint(&first).then_some(())
    });
    kill(keeper.process.pid());
    until("its members to end", || server.rest(&user).tunnels().is_empty().then_some(()));
}

/// Version 4's signs are the keeper's, not those of whichever member comes last.
#[test]
fn version_4_s_files_speak_for_the_whole_pool() {
    let server = Server::start();
    let user = server.add_user("jane");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (pid, signs) = (folder.path().join("pid"), folder.path().join("ready"));
    let mut command = binary::command();
    command.args(CommandLine::Version4.arguments(&server.rest_url(), &user, "kept"));
    command.args(["--pool-size", "2"]).arg("--pidfile").arg(&pid).arg("--readyfile").arg(&signs);
    let keeper = Client::start_as(command);
    let written = until("the ready file", || std::fs::read_to_string(&signs).ok());
    assert!(written.contains("\"tunnelName\":\"kept\""), "{written}");
    assert_eq!(ready(&server, &user).len(), 2, "it is there when all are ready");
    let process = std::fs::read_to_string(&pid).expect("the pid file");
    assert_eq!(process.trim(), keeper.process.pid().to_string());
    keeper.process.signal(Signal::Terminate);
    assert_eq!(keeper.process.wait_exit(PATIENCE).code(), Some(0));
    assert!(!signs.exists() && !pid.exists());
}

#[test]
fn a_pool_that_cannot_start_says_why_and_ends() {
    let server = Server::start();
    let user = User { key: "wrong".to_owned(), ..server.add_user("jane") };
    let mut command = binary::command();
    command.args(LINE.arguments(&server.rest_url(), &user, "kept")).args(["--pool-size", "2"]);
    let keeper = Client::start_as(command);
    assert_eq!(keeper.process.wait_exit(PATIENCE).code(), Some(1));
    keeper.process.wait_for_text("Not authorized");
}
