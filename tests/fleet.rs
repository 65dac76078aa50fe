//! Servers that share a PostgreSQL database: tunnels are placed, seen and ended by all of them, and
//! come up elsewhere when a server dies.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sc_tests::binary;
use sc_tests::deployment::{Client, CommandLine, Places, Server, User, key_in, proxy_address};
use sc_tests::figures;
use sc_tests::http::Connection;
use sc_tests::postgres::Postgres;
use sc_tests::process::Signal;
use sc_tests::rest::Rest;
use sc_tests::shared::Report;
use sc_tests::site::Site;
use sc_tests::traffic;
use sc_tests::wait;
use serde_json::{Value, json};

/// From the kill of a server until all its tunnels are ready on others.
const MAX_RETURN: Duration = Duration::from_secs(15);
/// A stop without a notice waits for a heartbeat, one a second.
const MAX_STOP: Duration = Duration::from_secs(6);

const LINE: CommandLine = CommandLine::Version5;

fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| Postgres::start(""))
}

/// Servers of one database, and a user.
struct Fleet {
    database: String,
    servers: Vec<Server>,
    user: User,
}

impl Fleet {
    fn start(count: usize) -> Self {
        Self::start_as(count, |_| binary::command())
    }

    /// `command` is how the server of that number is started.
    fn start_as(count: usize, command: impl Fn(usize) -> Command) -> Self {
        let database = postgres().new_database();
        let servers: Vec<Server> =
            (0..count).map(|number| server(&database, command(number))).collect();
        let user = add_user(&database, &servers[0], &["add", "jane"]);
        Self { database, servers, user }
    }

    /// All REST URLs, beginning with that of one server.
    fn rest_urls(&self, first: usize) -> String {
        let urls: Vec<String> = self.servers.iter().map(Server::rest_url).collect();
        let (before, from) = urls.split_at(first % urls.len());
        [from, before].concat().join(",")
    }

    /// Starts a client that asks the server `first` first.
    fn client(&self, first: usize, name: &str) -> Client {
        let mut command = binary::command();
        command.args(LINE.arguments(&self.rest_urls(first), &self.user, name));
        Client::start_as(command)
    }

    fn rest(&self, server: usize) -> Rest {
        self.servers[server].rest(&self.user)
    }

    /// What each server of `of` says about all tunnels of the user, by name.
    fn seen_by(&self, server: usize) -> BTreeMap<String, Value> {
        let records = self.rest(server).tunnels().into_iter();
        records.map(|record| (text(&record, "tunnel_identifier"), record)).collect()
    }

    /// Which server carries a tunnel.
    fn carrier(&self, record: &Value) -> usize {
        let port = record["ssh_port"].as_u64().expect("a port");
        let is_it = |server: &Server| u64::from(server.tunnel_address().port()) == port;
        self.servers.iter().position(is_it).unwrap_or_else(|| panic!("nobody carries {record}"))
    }

    /// Any other server.
    fn other(&self, than: usize) -> usize {
        (than + 1) % self.servers.len()
    }

    fn ask(&self, sql: &str) -> String {
        postgres().ask(&self.database, sql)
    }
}

impl Report for Fleet {
    fn report(&self) -> String {
        let reports: Vec<String> = self.servers.iter().map(Report::report).collect();
        reports.join("\n")
    }
}

fn server(database: &str, command: Command) -> Server {
    let mut places = Places::on_loopback();
    places.options = ["--database", database].map(str::to_owned).into();
    Server::start_at(command, places)
}

fn add_user(database: &str, server: &Server, words: &[&str]) -> User {
    let mut command = binary::command();
    command.args(["server", "user"]).args(words).arg("--data-dir").arg(server.data_dir());
    let output = command.env("SC_DATABASE", database).output().expect("sc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let key = key_in(&String::from_utf8_lossy(&output.stdout));
    User { name: words[1].to_owned(), key }
}

fn text(record: &Value, field: &str) -> String {
    record[field].as_str().unwrap_or_else(|| panic!("no {field} in {record}")).to_owned()
}

fn is_ready(record: &Value) -> bool {
    record["status"] == "running" && record["is_ready"] == true
}

fn path_of(record: &Value) -> String {
    format!("/tunnels/{}", text(record, "id"))
}

/// Until a tunnel is ready wherever it is.
fn ready(fleet: &Fleet, asked: usize, name: &str) -> Value {
    let record =
        wait::for_at_most(wait::PATIENCE, || fleet.seen_by(asked).remove(name).filter(is_ready));
    record.unwrap_or_else(|| panic!("{name} is not ready\n{}", fleet.report()))
}

#[test]
#[cfg_attr(missing_postgres, ignore = "needs PostgreSQL: .ci/run install")]
fn a_killed_servers_tunnels_come_up_elsewhere() {
    let (fleet, site) = (Fleet::start(3), Site::start());
    let names: Vec<String> = (0..12).map(|number| format!("t{number:02}")).collect();
    let clients: Vec<Client> =
        names.iter().enumerate().map(|(at, name)| fleet.client(at, name)).collect();
    for client in &clients {
        client.wait_ready(LINE);
    }
    for name in &names {
        ready(&fleet, 0, name);
    }
    let before = fleet.seen_by(0);
    for server in 1..3 {
        let ids = |seen: &BTreeMap<String, Value>| -> Vec<String> {
            seen.values().map(|record| text(record, "id")).collect()
        };
        assert_eq!(ids(&fleet.seen_by(server)), ids(&before), "every server lists all");
    }
    let mut carried = [0; 3];
    for record in before.values() {
        carried[fleet.carrier(record)] += 1;
    }
    figures::tell(&format!("12 tunnels on three servers: {carried:?}"));
    assert_eq!(carried, [4, 4, 4], "they are shared out evenly");

    let dead = 1;
    let lost: BTreeSet<&String> =
        before.iter().filter(|(_, record)| fleet.carrier(record) == dead).map(|(n, _)| n).collect();
    fleet.servers[dead].process.kill();
    let killed = Instant::now();
    let is_back = || {
        let seen = fleet.seen_by(0);
        let all = names.iter().all(|name| {
            seen.get(name).is_some_and(|record| is_ready(record) && fleet.carrier(record) != dead)
        });
        all.then_some(seen)
    };
    let after = wait::for_at_most(wait::PATIENCE, is_back);
    let took = killed.elapsed();
    let Some(after) = after else {
        let of_clients: Vec<String> =
            clients.iter().map(|client| client.process.report()).collect();
        panic!("not all are back\n{}\n{}", fleet.report(), of_clients.join("\n"));
    };
    figures::tell(&format!(
        "server kill -9: its {} tunnels ready again after {took:.1?}",
        lost.len()
    ));
    assert!(took <= MAX_RETURN, "{took:?}\n{}", fleet.report());
    assert_eq!(after.len(), 12, "nothing else is there");
    for name in &names {
        assert_eq!(after[name]["id"], before[name]["id"], "{name} has its id");
        traffic::small_request(proxy_address(&after[name]), &site);
    }
    assert_eq!(fleet.seen_by(2).len(), 12);
    for client in &clients {
        assert!(client.process.is_running(), "{}", client.process.report());
    }
    assert_eq!(fleet.ask("SELECT COUNT(*) FROM members"), "2", "the dead one is forgotten");
    assert_eq!(fleet.ask("SELECT COUNT(*) FROM orders"), "0", "no secret stays in the database");
}

#[test]
#[cfg_attr(missing_postgres, ignore = "needs PostgreSQL: .ci/run install")]
fn any_server_stops_a_tunnel_even_if_no_notice_comes() {
    let fleet = Fleet::start(2);
    for (name, notices) in
        [("told", Notices::Pass), ("cut", Notices::AreCut), ("not-told", Notices::AreLost)]
    {
        let client = fleet.client(0, name);
        let record = ready(&fleet, 0, name);
        let (owner, path) = (fleet.carrier(&record), path_of(&record));
        let other = fleet.rest(fleet.other(owner));
        let (done, cuts) = (AtomicBool::new(false), AtomicBool::new(false));
        let took = thread::scope(|scope| {
            if notices == Notices::AreCut {
                scope.spawn(|| cut_notices(&fleet, &done, &cuts));
                wait::until("a cut", || cuts.load(Ordering::Relaxed).then_some(()));
            }
            let asked = Instant::now();
            if notices == Notices::AreLost {
                write_wish(&fleet, &record);
            } else {
                let path = format!("{path}?wait_for_jobs=0&reason=webui");
                let answer = other.call("DELETE", &path, "").expect("an answer");
                assert_eq!(answer.status(), 200);
            }
            wait::until_within(MAX_STOP, "the end", || {
                (other.get(&path)["status"] == "terminated").then_some(())
            });
            done.store(true, Ordering::Relaxed);
            asked.elapsed()
        });
        figures::tell(&format!("stop by another server, {name}: {took:.2?}"));
        assert!(took <= MAX_STOP, "{took:?}");
        let record = other.get(&path);
        assert_eq!(
            (&record["shutdown_reason"], &record["user_shutdown"]),
            (&json!("webui"), &json!(true))
        );
        client.process.wait_exit(wait::PATIENCE);
        let deeds = fleet.ask("SELECT actor, action, detail FROM audit ORDER BY id DESC LIMIT 1");
        assert_eq!(deeds, "jane|tunnel-ended|webui");
    }
}

/// Whether NOTIFY arrives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Notices {
    Pass,
    /// Whoever listens is cut off all the time, and looks when it is back.
    AreCut,
    /// Nobody is told at all.
    AreLost,
}

/// What a server writes that wants a tunnel of another one to end, without the notice after it.
fn write_wish(fleet: &Fleet, record: &Value) {
    let wish = json!({"cut": {"by": "jane", "reason": "webui"}});
    fleet.ask(&format!(
        "UPDATE tunnels SET status = 'halting', wish = '{wish}', user_shutdown = 1,
             shutdown_reason = 'webui' WHERE id = '{}'",
        text(record, "id")
    ));
}

/// Ends all connections that listen for notices, again and again.
fn cut_notices(fleet: &Fleet, done: &AtomicBool, cuts: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let cut = fleet.ask(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        );
        cuts.fetch_or(cut != "0", Ordering::Relaxed);
    }
}

#[test]
#[cfg_attr(missing_postgres, ignore = "needs PostgreSQL: .ci/run install")]
fn any_server_drains_a_tunnel() {
    let (fleet, site) = (Fleet::start(2), Site::start());
    let client = fleet.client(1, "drained");
    let record = ready(&fleet, 0, "drained");
    let (owner, path) = (fleet.carrier(&record), path_of(&record));
    let other = fleet.rest(fleet.other(owner));
    let host = site.address();
    let mut user =
        Connection::through(proxy_address(&record), &host.to_string()).expect("a stream");
    user.send(format!("GET /hold HTTP/1.1\r\nHost: {host}\r\n\r\n")).expect("a request");
    wait::until("the request", || (site.connections() > 0).then_some(()));
    let answer = other.call("DELETE", &format!("{path}?wait_for_jobs=1"), "").expect("an answer");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    wait::until("the drain", || {
        let refused = Connection::through(proxy_address(&record), &host.to_string()).is_err();
        (other.get(&path)["status"] == "halting" && refused).then_some(())
    });
    site.open_gate();
    let answer = user.read_answer("GET").expect("what ran has finished");
    assert_eq!(answer.status(), 200);
    drop(user);
    wait::until("the end", || (other.get(&path)["status"] == "terminated").then_some(()));
    client.process.wait_exit(wait::PATIENCE);
}

#[test]
#[cfg_attr(missing_postgres, ignore = "needs PostgreSQL: .ci/run install")]
fn a_server_that_was_frozen_leaves_its_tunnels_to_those_who_have_them() {
    let (fleet, site) = (Fleet::start(2), Site::start());
    let _client = fleet.client(0, "moved");
    let record = ready(&fleet, 0, "moved");
    let frozen = fleet.carrier(&record);
    let other = fleet.other(frozen);
    fleet.servers[frozen].process.signal(Signal::Stop);
    // Its client finds out by its own signs of life, and asks the other server.
    let moved = wait::for_at_most(wait::PATIENCE, || {
        let record = fleet.seen_by(other).remove("moved")?;
        (is_ready(&record) && fleet.carrier(&record) == other).then_some(record)
    });
    let moved = moved.unwrap_or_else(|| panic!("it does not move\n{}", fleet.report()));
    assert_eq!(moved["id"], record["id"]);
    fleet.servers[frozen].process.signal(Signal::Continue);
    fleet.servers[frozen].process.wait_for_text("took this server for dead");
    fleet.servers[frozen].process.wait_for_text("is given up: another server carries it");
    for asked in [frozen, other] {
        let seen = fleet.seen_by(asked);
        assert_eq!((seen.len(), fleet.carrier(&seen["moved"])), (1, other));
    }
    traffic::small_request(proxy_address(&moved), &site);
    // It takes part again, as soon as it has said how many it has.
    let counts = || fleet.ask("SELECT tunnels FROM members ORDER BY tunnels");
    wait::until("its count", || (counts() == "0\n1").then_some(()));
    let _second = fleet.client(0, "second");
    let second = ready(&fleet, other, "second");
    assert_eq!(fleet.carrier(&second), frozen, "it is the emptier one");
}

#[test]
#[cfg_attr(missing_postgres, ignore = "needs PostgreSQL: .ci/run install")]
#[cfg_attr(missing_faketime, ignore = "needs faketime: .ci/run install")]
fn clocks_may_differ_by_minutes() {
    // The program `faketime` stays between: only what it preloads is wanted.
    let asked = Command::new("faketime").args(["+0s", "printenv", "LD_PRELOAD"]).output();
    let library = String::from_utf8(asked.expect("faketime").stdout).expect("a path");
    let shifted = |number: usize| {
        let mut command = binary::command();
        command.env("LD_PRELOAD", library.trim());
        command.env("FAKETIME", ["+0s", "+7m", "-5m"][number]);
        // A machine whose wall clock is wrong counts seconds as well as any.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    };
    let fleet = Fleet::start_as(3, shifted);
    let names = ["a", "b", "c"];
    let _clients = names.map(|name| fleet.client(0, name));
    let created = |record: &Value| record["creation_time"].as_u64().expect("a time");
    let records = names.map(|name| ready(&fleet, 0, name));
    let carriers: BTreeSet<usize> = records.iter().map(|record| fleet.carrier(record)).collect();
    assert_eq!(carriers.len(), 3, "each has one");
    let times = records.each_ref().map(created);
    let span = times.iter().max().unwrap() - times.iter().min().unwrap();
    assert!(span < 60, "the database's clock counts: {times:?}");
    // Longer than any may be silent: nobody takes anybody for dead.
    let beats = || fleet.ask("SELECT MIN(beat) FROM members").parse::<u64>().expect("a number");
    let now = beats();
    wait::until("ten heartbeats of each", || (beats() >= now + 10).then_some(()));
    assert_eq!(fleet.ask("SELECT COUNT(*) FROM members"), "3");
    for record in &records {
        assert_eq!(fleet.rest(1).get(&path_of(record))["status"], "running");
    }
    fleet.servers[2].process.kill();
    wait::until("the move", || {
        let seen = fleet.seen_by(0);
        let is_back = |record: &Value| is_ready(record) && fleet.carrier(record) != 2;
        (seen.len() == 3 && seen.values().all(is_back)).then_some(())
    });
}

#[test]
#[cfg_attr(missing_postgres, ignore = "needs PostgreSQL: .ci/run install")]
fn limits_and_names_hold_for_all_servers_together() {
    let fleet = Fleet::start(3);
    let bob = add_user(&fleet.database, &fleet.servers[0], &["add", "bob", "--tunnel-limit", "3"]);
    let create = |server: usize, name: &str| {
        let rest = fleet.servers[server % 3].rest(&bob);
        let body = json!({ "tunnel_identifier": name }).to_string();
        let answer = rest.call("POST", "/tunnels", &body).expect("an answer");
        (answer.status(), answer.text())
    };
    // All at once, at all servers.
    let answers: Vec<(u16, String)> = thread::scope(|scope| {
        let calls: Vec<_> = (0..9)
            .map(|number| scope.spawn(move || create(number, &format!("n{number}"))))
            .collect();
        calls.into_iter().map(|call| call.join().expect("a call")).collect()
    });
    let made = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(made, 3, "{answers:?}");
    let refused = answers.iter().find(|(status, _)| *status == 400).expect("a refusal");
    assert!(refused.1.contains("Too many active tunnels: 4 >= 3"), "{}", refused.1);
    // One name is one tunnel, whoever makes it.
    let name = text(&fleet.servers[0].rest(&bob).tunnels()[0], "tunnel_identifier");
    let again = create(1, &name);
    assert_eq!(again.0, 200, "{}", again.1);
    wait::until("the older one's end", || {
        let of_name = fleet.servers[2].rest(&bob).tunnels();
        let count = of_name.iter().filter(|one| one["tunnel_identifier"] == name.as_str()).count();
        (count == 1 && of_name.len() == 3).then_some(())
    });
}

#[test]
#[cfg_attr(missing_postgres, ignore = "needs PostgreSQL: .ci/run install")]
fn jobs_go_where_their_tunnels_are() {
    let (fleet, site) = (Fleet::start(2), Site::start());
    let names = ["a", "b"];
    let _clients = names.map(|name| fleet.client(0, name));
    let tunnels = names.map(|name| ready(&fleet, 0, name));
    let carriers = tunnels.each_ref().map(|record| fleet.carrier(record));
    assert_ne!(carriers[0], carriers[1]);
    let mut jobs = Vec::new();
    for (name, tunnel) in names.iter().zip(&tunnels) {
        for server in 0..2 {
            let body = json!({ "tunnel_identifier": name }).to_string();
            let answer = fleet.rest(server).call("POST", "/jobs", &body).expect("an answer");
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let job: Value = serde_json::from_str(&answer.text()).expect("JSON");
            assert_eq!(job["tunnel_id"], tunnel["id"]);
            let proxy: SocketAddr = text(&job, "proxy_address").parse().expect("an address");
            traffic::small_request(proxy, &site);
            jobs.push(text(&job, "id"));
        }
    }
    let none = fleet.rest(0).call("POST", "/jobs", r#"{"tunnel_identifier": "c"}"#);
    let none = none.expect("an answer");
    assert_eq!(none.status(), 404);
    assert!(none.text().contains(r#"\"a\", \"b\""#), "it says which there are: {}", none.text());
    for server in 0..2 {
        assert_eq!(fleet.rest(server).get("/jobs").as_array().map(Vec::len), Some(4));
        for tunnel in &tunnels {
            let count = fleet.rest(server).get(&format!("{}/num_jobs", path_of(tunnel)));
            assert_eq!(count["jobs_running"], 2, "{count}");
        }
    }
    for job in &jobs {
        let answer = fleet.rest(1).call("DELETE", &format!("/jobs/{job}"), "").expect("an answer");
        assert_eq!(answer.status(), 200);
    }
    for server in 0..2 {
        assert_eq!(fleet.rest(server).get("/jobs"), json!([]), "an answer is an end");
    }
}

#[test]
#[cfg_attr(missing_postgres, ignore = "needs PostgreSQL: .ci/run install")]
fn the_databases_password_is_not_shown() {
    let database = postgres().new_database().replace("user=sc", "user=sc&password=S3CRET-word");
    let server = server(&database, binary::command());
    server.process.wait_for_text("member ");
    let told = |what: &str| {
        std::fs::read(format!("/proc/{}/{what}", server.process.pid())).expect("of a process")
    };
    let has_secret = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("S3CRET-word");
    assert!(!has_secret(&told("cmdline")), "in the process list");
    assert!(has_secret(&told("environ")), "it is where only its user looks");
    let refused = binary::command()
        .args(["server", "--database", "mysql://sc:S3CRET-word@127.0.0.1/sc", "--data-dir"])
        .arg(server.data_dir().join("other"))
        .output()
        .expect("sc");
    assert!(!refused.status.success());
    let unreachable = binary::command()
        .args(["server", "user", "list", "--data-dir"])
        .arg(server.data_dir().join("other"))
        .env("SC_DATABASE", "postgres://sc:S3CRET-word@127.0.0.1:1/sc")
        .output()
        .expect("sc");
    assert!(!unreachable.status.success());
    let said = String::from_utf8_lossy(&unreachable.stderr);
    assert!(said.contains("postgres://127.0.0.1:1/sc"), "it says which: {said}");
    server.process.signal(Signal::Terminate);
    server.process.wait_exit(wait::PATIENCE);
    for shown in
        [server.process.lines().join("\n").into_bytes(), refused.stderr, unreachable.stderr]
    {
        assert!(!has_secret(&shown), "{}", String::from_utf8_lossy(&shown));
    }
}

/// What the registry has to do for tunnels: the figures of docs/scaling.md.
#[test]
#[cfg_attr(missing_postgres, ignore = "needs PostgreSQL: .ci/run install")]
fn a_tunnel_costs_the_database_little() {
    let database = postgres().new_database();
    let servers: Vec<Server> = (0..3)
        .map(|_| {
            let mut places = Places::on_loopback();
            places.proxy_ports = (0, 0);
            places.options = ["--database", &database].map(str::to_owned).into();
            Server::start_at(binary::command(), places)
        })
        .collect();
    let user = add_user(&database, &servers[0], &["add", "jane"]);
    let fleet = Fleet { database, servers, user };
    let idle = statements_a_second(&fleet);

    let names: Vec<String> = (0..8).map(|number| format!("t{number}")).collect();
    let _clients: Vec<Client> =
        names.iter().enumerate().map(|(at, name)| fleet.client(at, name)).collect();
    for name in &names {
        ready(&fleet, 0, name);
    }
    let busy = statements_a_second(&fleet);
    let each = (busy - idle) / names.len() as f64;
    figures::tell(&format!(
        "statements a second: {idle:.1} of three servers, {each:.2} of a tunnel"
    ));

    let (count, at_once) = (120_u32, 6);
    let before = statements(&fleet);
    let begun = Instant::now();
    thread::scope(|scope| {
        for part in 0..at_once {
            let fleet = &fleet;
            scope.spawn(move || {
                for number in 0..count / at_once {
                    let name = json!({ "tunnel_identifier": format!("made-{part}-{number}") });
                    let rest = fleet.rest((number % 3) as usize);
                    let answer = rest.call("POST", "/tunnels", &name.to_string()).expect("answer");
                    assert_eq!(answer.status(), 200, "{}", answer.text());
                }
            });
        }
    });
    let took = begun.elapsed();
    let made = (statements_at_rest(&fleet) - before) as f64;
    let of_servers = busy * begun.elapsed().as_secs_f64();
    let (rate, cost) =
        (f64::from(count) / took.as_secs_f64(), (made - of_servers) / f64::from(count));
    figures::tell(&format!(
        "tunnels made: {rate:.0} a second by three servers, {cost:.1} statements each"
    ));
    let mut carried = fleet.ask("SELECT COUNT(*) FROM tunnels WHERE ended IS NULL GROUP BY member");
    carried = carried.replace('\n', ", ");
    figures::tell(&format!("{} tunnels on three servers: {carried}", count as usize + names.len()));
    assert!(each < 3.0 && idle < 60.0, "{each} of a tunnel, {idle} of three servers");
}

/// Statements that were carried out for a fleet so far.
fn statements(fleet: &Fleet) -> i64 {
    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    fleet.ask(sql).parse().expect("a number")
}

/// The same once the database, which counts a second late, has counted all.
fn statements_at_rest(fleet: &Fleet) -> i64 {
    thread::sleep(Duration::from_secs(2));
    statements(fleet)
}

fn statements_a_second(fleet: &Fleet) -> f64 {
    let (before, begun) = (statements_at_rest(fleet), Instant::now());
    thread::sleep(Duration::from_secs(20));
    let after = statements_at_rest(fleet);
    // The question itself is one.
    (after - before - 1) as f64 / begun.elapsed().as_secs_f64()
}
