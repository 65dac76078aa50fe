//! The harness itself, without the binary: if these fail, no other test here can be believed.

use std::io::Read as _;
use std::process::Command;

use sc_tests::http::Connection;
use sc_tests::payload::{self, Payload};
use sc_tests::process::{Process, Signal};
use sc_tests::site::Site;
use sc_tests::site::answers::CHUNKED_BODY;
use sc_tests::site::holder::{FAREWELL, GREETING, Holder};
use sc_tests::wait::PATIENCE;
use sc_tests::{ports, usage, websocket};

fn get(site: &Site, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", site.address())
}

#[test]
fn a_payload_does_not_depend_on_how_it_is_read() {
    let whole = Payload::new(3, 100_003).bytes();
    let mut pieces = Vec::new();
    let mut payload = Payload::new(3, 100_003);
    let mut buffer = [0; 13];
    for size in (1..=13).cycle() {
        let count = payload.read(&mut buffer[..size]).unwrap();
        if count == 0 {
            break;
        }
        pieces.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(whole.len(), 100_003);
    assert!(whole == pieces);
    assert_eq!(payload::sha256_of(whole.as_slice()).unwrap().1, Payload::new(3, 100_003).sha256());
    assert!(whole != Payload::new(4, 100_003).bytes());
}

#[test]
fn the_site_answers_one_request_after_the_other() {
    let site = Site::start();
    let mut user = Connection::open(site.address()).unwrap();
    // All at once, so that an answer with a wrong length would spoil the next.
    let paths = [
        "/hello",
        "/chunked",
        "/status/304",
        "/status/204",
        "/early-hints",
        "/chunked-bytes/99999",
    ];
    let requests: String = paths.iter().map(|path| get(&site, path)).collect();
    user.send(requests).unwrap();
    let answers: Vec<_> = paths.iter().map(|_| user.read_answer("GET").unwrap()).collect();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status()).collect();
    assert_eq!(statuses, [200, 200, 304, 204, 200, 200]);
    assert_eq!(answers[0].text(), "hello from the site\n");
    assert_eq!(answers[1].body, CHUNKED_BODY);
    assert_eq!(answers[1].trailers[0], ("X-Check".to_owned(), "done".to_owned()));
    assert_eq!(answers[4].interim, [103]);
    assert!(answers[5].body == Payload::new(99_999, 99_999).bytes());
    assert_eq!(site.connections(), 1);
    assert_eq!(site.received("/chunked").len(), 2);
    assert!(site.raw()[0].starts_with(b"GET /hello HTTP/1.1\r\n"));
}

#[test]
fn the_site_asks_for_a_body_and_hashes_it() {
    let site = Site::start();
    let mut user = Connection::open(site.address()).unwrap();
    let body = Payload::new(1, 50_000);
    user.send("PUT /digest HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n").unwrap();
    user.send("Content-Length: 50000\r\n\r\n").unwrap();
    assert_eq!(user.read_head().unwrap().status(), 100);
    payload::send(body.clone(), &mut user).unwrap();
    let answer = user.read_answer("PUT").unwrap();
    assert_eq!(answer.text(), format!("50000 {}\n", body.sha256()));
    assert_eq!(site.received("/digest")[0].body_sha256, body.sha256());
}

#[test]
fn the_site_sends_events_and_echoes() {
    let site = Site::start();
    let mut reader = Connection::open(site.address()).unwrap();
    let mut confirmer = Connection::open(site.address()).unwrap();
    reader.send(get(&site, "/events/a/3")).unwrap();
    assert_eq!(reader.read_head().unwrap().status(), 200);
    for number in 1..=3 {
        let expected = format!("id: {number}\ndata: event {number}\n\n");
        let mut chunk = vec![0; expected.len() + 6];
        reader.read_exact(&mut chunk).unwrap();
        assert!(String::from_utf8_lossy(&chunk).contains(&expected));
        let confirmation = confirmer.exchange(&get(&site, &format!("/confirm/a/{number}")));
        assert_eq!(confirmation.unwrap().status(), 200);
    }
    let user = Connection::open(site.address()).unwrap();
    websocket::expect_echo(&mut websocket::upgrade(user, "/websocket", "site"));
}

#[test]
fn the_holder_greets_and_dismisses() {
    let holder = Holder::start();
    let mut users: Vec<_> = (0..20).map(|_| Connection::open(holder.address()).unwrap()).collect();
    for user in &mut users {
        let mut greeting = [0; GREETING.len()];
        user.read_exact(&mut greeting).unwrap();
        assert_eq!(greeting, GREETING);
    }
    assert_eq!(
        sc_tests::wait::until("20 held", || (holder.held() == 20).then(|| holder.dismiss())),
        20
    );
    for mut user in users {
        assert_eq!(user.read_to_close().unwrap(), FAREWELL);
    }
}

#[test]
fn a_process_is_read_signalled_and_measured() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap 'echo term; exit 3' TERM; echo up; while :; do sleep 0.1; done"]);
    let process = Process::start("shell", command);
    process.wait_for_text("up");
    assert!(usage::resident_bytes(process.pid()) > 0);
    assert!(usage::open_files(process.pid()) >= 3);
    assert!(process.is_running());
    process.signal(Signal::Terminate);
    process.wait_for_text("term");
    assert_eq!(process.wait_exit(PATIENCE).code(), Some(3));
}

#[test]
fn ports_are_free_and_different() {
    let (first, last) = ports::block(4);
    assert_eq!(last - first, 3);
    assert!(ports::one() != first);
    std::net::TcpListener::bind(("127.0.0.1", last)).unwrap().local_addr().unwrap();
}
