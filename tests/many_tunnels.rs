//! Many tunnels on one server, each with a client of its own: what that costs the server.

use std::io::Read as _;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sc_tests::deployment::{Client, CommandLine, Places, Server, User};
use sc_tests::http::Connection;
use sc_tests::latency::Latencies;
use sc_tests::{binary, figures, ports, scale, usage, wait};

/// How long the server is looked at while nothing but its clients' polls comes.
const IDLE: Duration = Duration::from_secs(30);
/// Browsers that follow the Tunnels page.
const FOLLOWERS: usize = 4;
/// Clients that start at a time.
const AT_ONCE: usize = 10;
/// Calls that are timed.
const CALLS: usize = 300;
/// What the server may take: memory for each tunnel, of a CPU while it is idle, and of time for 99 of
/// 100 calls. Several times what was measured: a debug build, on a machine that does other things.
const MEMORY: u64 = 1024 * 1024;
const CPU: f64 = 0.3;
const CALL: Duration = Duration::from_secs(1);

#[test]
fn many_tunnels_cost_one_server_little() {
    let count = scale::tunnels();
    let mut places = Places::on_loopback();
    places.proxy_ports = ports::block(count as u16 + 8);
    let server = Server::start_at(binary::command(), places);
    let user = server.add_user("jane");
    let rest = server.rest(&user);
    let pid = server.process.pid();
    rest.get("/tunnels");
    let empty = usage::resident_bytes(pid);

    let line = CommandLine::Version4;
    let begun = Instant::now();
    let mut clients: Vec<Client> = Vec::new();
    while clients.len() < count {
        let next = clients.len()..count.min(clients.len() + AT_ONCE);
        let batch: Vec<_> = next
            .map(|number| Client::start(line, &server, &user, &format!("tunnel-{number}")))
            .collect();
        batch.iter().for_each(|client| client.wait_ready(line));
        clients.extend(batch);
    }
    let all_ready = || {
        let tunnels = rest.tunnels();
        let ready = tunnels.iter().filter(|tunnel| tunnel["is_ready"] == true).count();
        (ready == count).then_some(())
    };
    wait::until("all tunnels to be ready", all_ready);
    let started = begun.elapsed();

    let busy = busy(pid);
    let memory = usage::resident_bytes(pid);

    let (mut one, mut list) = (Latencies::default(), Latencies::default());
    let id = rest.tunnels()[0]["id"].as_str().expect("an id").to_owned();
    for _ in 0..CALLS {
        one.time(|| rest.get(&format!("/tunnels/{id}")));
        list.time(|| rest.get("/tunnels?full=1"));
    }
    let followers: Vec<_> = (0..FOLLOWERS).map(|_| follow(&server, &user)).collect();
    let followed = self::busy(pid);
    let mut meanwhile = Latencies::default();
    for _ in 0..CALLS {
        meanwhile.time(|| rest.get(&format!("/tunnels/{id}")));
    }
    all_ready().expect("all tunnels are ready still");
    let each = memory.saturating_sub(empty) / count as u64;
    figures::tell(&format!(
        "{count} tunnels, ready after {:.1} s: server memory {} MiB ({} MiB without tunnels, {} KiB \
         each), {:.1} % of a CPU while idle; REST: one tunnel {one}; the whole list {list}. {FOLLOWERS} browsers follow the \
         page: {:.1} % of a CPU, one tunnel {meanwhile}",
        started.as_secs_f64(),
        memory >> 20,
        empty >> 20,
        each >> 10,
        busy * 100.0,
        followed * 100.0,
    ));
    assert!(each < MEMORY, "{each} bytes for each tunnel");
    assert!(busy < CPU, "{busy} of a CPU while idle");
    assert!(followed < 2.0 * CPU, "{followed} of a CPU while the page is followed");
    assert!(meanwhile.percentile(99) < CALL, "{meanwhile}");
    assert!(one.percentile(99) < CALL && list.percentile(99) < CALL, "{one}; {list}");
    // Whoever follows the server sees its end.
    drop((rest, clients, server));
    for follower in followers {
        let told = follower.join().expect("a follower ends");
        assert!(told > 0, "it was told something");
    }
}

/// What part of a CPU a process takes, over a while.
fn busy(pid: u32) -> f64 {
    let (ticks, since) = (usage::cpu_ticks(pid), Instant::now());
    // A span to measure in, not a wait for something.
    std::thread::sleep(IDLE);
    (usage::cpu_ticks(pid) - ticks) as f64 / 100.0 / since.elapsed().as_secs_f64()
}

/// Signs in and follows the list until the server ends. Says how many bytes it was told.
fn follow(server: &Server, user: &User) -> JoinHandle<usize> {
    let address = server.rest_address();
    let form = format!("user={}&key={}", user.name, user.key);
    let mut connection = Connection::open(address).expect("the server listens");
    let answer = connection.exchange(&format!(
        "POST /sign-in HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
        form.len()
    ));
    let answer = answer.expect("an answer");
    let cookie = answer.head.field("Set-Cookie").expect("a session");
    let cookie = cookie.split(';').next().unwrap_or_default();
    let request =
        format!("GET /tunnels/live HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n");
    connection.send(request).expect("the request goes out");
    std::thread::spawn(move || {
        let (mut told, mut chunk) = (0, [0; 16 * 1024]);
        // A reset is an end, too.
        while let Ok(read @ 1..) = connection.reader().read(&mut chunk) {
            told += read;
        }
        told
    })
}
