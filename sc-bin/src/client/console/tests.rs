use std::time::{Duration, UNIX_EPOCH};

use sc_proto::contract::{ConnectionNumber, TunnelId};

use super::*;
use crate::client::rest_error::RestError;

fn console(dialect: Dialect) -> Console<Vec<u8>, Vec<u8>> {
    let mut console = Console::new(dialect, Vec::new(), Vec::new());
    console.clock = || UNIX_EPOCH + Duration::new(1_706_738_262, 194_037_000);
    console
}

#[test]
fn several_connections_are_told_apart_and_a_single_one_has_no_number() {
    let second = ConnectionNumber::new(1, 4).unwrap();
    let cause = || "closed".to_owned();
    for (line, text) in [
        (
            Line::Interrupted { connection: ConnectionNumber::ONLY, left: 0, cause: cause() },
            "Connection interrupted (closed); reconnecting, open streams wait",
        ),
        (
            Line::Interrupted { connection: second, left: 3, cause: cause() },
            "Connection 2 of 4 interrupted (closed); reconnecting, open streams wait; new requests \
             take the others",
        ),
        (
            Line::Interrupted { connection: second, left: 0, cause: cause() },
            "Connection 2 of 4 interrupted (closed); reconnecting, open streams wait",
        ),
        (Line::ConnectionBack { connection: second, up: 3 }, "Connection 2 of 4 is up, 3 in all"),
    ] {
        assert_eq!(common(&line), text);
    }
    let mut console = console(Dialect::V5);
    let peer = ([127, 0, 0, 1], 3).into();
    console.say(&Line::Established { connection: second, up: 2, peer });
    let text = String::from_utf8(console.out).unwrap();
    assert!(text.contains("established connection active=2/4 address=127.0.0.1:3"), "{text}");
}

fn good_run() -> Vec<Line> {
    vec![
        Line::Start {
            rest: "http://127.0.0.1:1/rest/v1".to_owned(),
            name: Some("ci-42".to_owned()),
            warning: None,
        },
        Line::Provisioned { id: TunnelId([0xab; 16]), proxy: "127.0.0.1:2".to_owned() },
        Line::Connecting { server: "127.0.0.1:3".to_owned() },
        Line::Established {
            connection: ConnectionNumber::ONLY,
            up: 1,
            peer: ([127, 0, 0, 1], 3).into(),
        },
        Line::Ready,
        Line::Stopping,
        Line::Goodbye,
    ]
}

fn spoken(dialect: Dialect) -> (Vec<String>, Vec<u8>) {
    let mut console = console(dialect);
    for line in good_run() {
        console.say(&line);
    }
    let text = String::from_utf8(console.out).unwrap();
    (text.lines().map(str::to_owned).collect(), console.err)
}

/// The positions of lines that contain `parts`, which must come in this order.
fn in_order(lines: &[String], parts: &[&str]) {
    let mut rest = lines.iter();
    for part in parts {
        assert!(rest.any(|line| line.contains(part)), "{part:?} is missing or late in {lines:#?}");
    }
}

#[test]
fn version_4_lines_come_in_its_order() {
    let (lines, err) = spoken(Dialect::V4);
    let id = format!("Provisioned tunnel: {}", "ab".repeat(16));
    in_order(
        &lines,
        &[
            VERSION,
            "PID: ",
            "Please wait for 'you may start your tests'",
            &id,
            "Proxy for browsers: http://127.0.0.1:2",
            "Sauce Connect is up, you may start your tests.",
            "Goodbye.",
        ],
    );
    assert!(lines.contains(&"Sauce Connect is up, you may start your tests.".to_owned()));
    assert_eq!(lines.last().unwrap(), "Goodbye.");
    assert!(err.is_empty());
}

#[test]
fn version_5_lines_come_in_its_order() {
    let (lines, err) = spoken(Dialect::V5);
    let id = format!("running id={}", "ab".repeat(16));
    in_order(
        &lines,
        &[
            "[control] [INFO] sc ",
            "please wait",
            "provisioning ",
            &id,
            "[tunnel] [INFO] connecting to address 127.0.0.1:3",
            "established connection active=1/1",
            "Sauce Connect is up, you may start your tests",
        ],
    );
    let ready = "2024/01/31 21:57:42.194037 [control] [INFO] \
                 Sauce Connect is up, you may start your tests";
    assert!(lines.contains(&ready.to_owned()), "{lines:#?}");
    assert!(err.is_empty());
}

#[test]
fn a_failure_says_cause_tried_and_next_on_stderr() {
    let failure = Failure::Rest {
        step: "create tunnel",
        url: "http://127.0.0.1:1/rest/v1".to_owned(),
        error: RestError::Status { code: 401, text: "Not authorized".to_owned() },
        tries: 1,
        over: Duration::ZERO,
    };
    for (dialect, head) in [
        (Dialect::V4, "Error: create tunnel: "),
        (Dialect::V5, "fatal error exiting: create tunnel: "),
    ] {
        let mut console = console(dialect);
        console.fail(&failure);
        let text = String::from_utf8(console.err).unwrap();
        assert!(text.contains(head) && text.contains("401: Not authorized"), "{text}");
        assert!(text.contains("\n  tried: create tunnel, once\n  next: check user name"), "{text}");
        assert!(console.out.is_empty());
    }
}
