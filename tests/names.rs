//! Names of sites, asked of the office's name servers (dnsmasq) instead of this machine's resolver.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::Instant;

use sc_tests::deployment::CommandLine;
use sc_tests::dnsmasq::Dnsmasq;
use sc_tests::office::Office;
use sc_tests::site::Site;
use sc_tests::upstream::{Access, Upstream};
use sc_tests::{binary, ports, wait};

const HELLO: &str = "hello from the site\n";
/// How long an answer of [`Dnsmasq`] holds here.
const SECONDS: u64 = 3;

fn url(name: &str, site: &Site) -> String {
    format!("http://{name}:{}/hello", site.address().port())
}

fn server(n: &Dnsmasq) -> String {
    n.address.to_string()
}

/// Both runtimes have sockets of their own for this.
const RUNTIMES: [&str; 2] = ["mio", "smol"];

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_dnsmasq, ignore = "skipped: dnsmasq is not installed")]
fn an_answer_is_kept_for_its_time_and_then_asked_again() {
    for (line, option) in [(CommandLine::Version4, "--dns"), (CommandLine::Version5, "-n")] {
        for runtime in RUNTIMES {
            let site = Site::start();
            let names = Dnsmasq::start(&[&format!("host-record=app.test,127.0.0.1,{SECONDS}")]);
            let office =
                Office::start(line, &[option, &server(&names)], &[("SAUCE_RUNTIME", runtime)]);
            // By CONNECT each request has a connection to the site of its own.
            let afresh = |name| office.curl(&url(name, &site)).args(["--proxytunnel"]).text();
            assert_eq!(names.questions("app.test"), 0);
            let begin = Instant::now();
            assert_eq!(afresh("app.test"), HELLO);
            assert_eq!(afresh("APP.test"), HELLO);
            // One for each kind of address.
            if begin.elapsed().as_secs() < SECONDS {
                assert_eq!(names.questions("app.test"), 2);
            }
            wait::until("the name to be asked for again", || {
                assert_eq!(afresh("app.test"), HELLO);
                (names.questions("app.test") > 2).then_some(())
            });
            let said = format!("Names of sites are asked of the name servers {}", names.address);
            assert_eq!(office.tunnel.client.process.count_lines(&said), 1);
        }
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_dnsmasq, ignore = "skipped: dnsmasq is not installed")]
fn the_next_server_is_asked_when_the_first_is_dead_or_silent() {
    let site = Site::start();
    let lines = ["host-record=a.test,127.0.0.1", "host-record=b.test,127.0.0.1"];
    for runtime in RUNTIMES {
        let names = Dnsmasq::start(&lines);
        let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
        silent.set_nonblocking(true).expect("a socket can be told so");
        let dead = format!("127.0.0.1:{}", ports::one());
        let asleep = silent.local_addr().expect("it is bound").to_string();
        let options = ["-n", &dead, "-n", &asleep, "-n", &server(&names), "--dns-timeout", "500ms"];
        let variables = [("SAUCE_RUNTIME", runtime)];
        let office = Office::start(CommandLine::Version5, &options, &variables);
        assert_eq!(office.curl(&url("a.test", &site)).text(), HELLO);
        let mut heard = 0;
        while silent.recv(&mut [0; 512]).is_ok() {
            heard += 1;
        }
        assert_eq!(heard, 2, "one question for each kind of address");
        // Who gave no sign of life is asked last for a while.
        assert_eq!(office.curl(&url("b.test", &site)).text(), HELLO);
        assert!(silent.recv(&mut [0; 512]).is_err());
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_dnsmasq, ignore = "skipped: dnsmasq is not installed")]
fn what_fails_is_told_apart() {
    let site = Site::start();
    let names = Dnsmasq::start(&[]);
    let office = Office::v5(&["-n", &server(&names)]);
    office.fails_with(&url("none.test", &site), 502, "name-not-found");
    // It refuses what is not its own, and nobody else is asked.
    office.fails_with(&url("app.example", &site), 502, "name-servers");
    let dead = format!("127.0.0.1:{}", ports::one());
    let office = Office::v5(&["-n", &dead]);
    office.fails_with(&url("app.test", &site), 502, "name-servers");
    // This machine's own name needs no server.
    assert_eq!(office.curl(&url("localhost", &site)).text(), HELLO);
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_dnsmasq, ignore = "skipped: dnsmasq is not installed")]
fn round_robin_gives_each_server_its_share() {
    let site = Site::start();
    let lines: Vec<_> = (0..6).map(|n| format!("host-record={n}.test,127.0.0.1,60")).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    for (turns, shares) in [("true", [2, 2, 2]), ("false", [6, 0, 0])] {
        let servers = [(); 3].map(|()| Dnsmasq::start(&lines));
        let list = servers.each_ref().map(server).join(",");
        let turns = format!("--dns-round-robin={turns}");
        let office = Office::v5(&["--dns-server", &list, &turns]);
        for n in 0..6 {
            assert_eq!(office.curl(&url(&format!("{n}.test"), &site)).text(), HELLO);
        }
        let asked = servers.each_ref().map(|one| one.process.count_lines("query[A]"));
        assert_eq!(asked, shares);
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_dnsmasq, ignore = "skipped: dnsmasq is not installed")]
fn aliases_and_answers_too_large_for_a_datagram() {
    let site = Site::start_at(Ipv4Addr::UNSPECIFIED);
    let mut lines: Vec<_> = (1..=60).map(|n| format!("address=/big.test/127.0.1.{n}")).collect();
    lines.extend(["host-record=app.test,127.0.0.1", "cname=www.test,app.test"].map(String::from));
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    for runtime in RUNTIMES {
        let names = Dnsmasq::start(&lines);
        let variables = [("SAUCE_RUNTIME", runtime)];
        let office = Office::start(CommandLine::Version5, &["-n", &server(&names)], &variables);
        assert_eq!(office.curl(&url("www.test", &site)).text(), HELLO);
        assert_eq!(office.curl(&url("big.test", &site)).text(), HELLO);
        // By UDP, and again by TCP, of which another process writes.
        wait::until("both questions in the log", || {
            (names.process.count_lines("query[A] big.test") == 2).then_some(())
        });
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_dnsmasq, ignore = "skipped: dnsmasq is not installed")]
#[cfg_attr(missing_tinyproxy, ignore = "skipped: tinyproxy is not installed")]
fn pac_scripts_and_proxies_of_sites_ask_the_same_servers() {
    let site = Site::start();
    let upstream = Upstream::http(Access::Open, &[]);
    let names = Dnsmasq::start(&[
        "host-record=app.test,127.0.0.1,60",
        "host-record=far.test,10.1.2.3,60",
        "host-record=proxy.test,127.0.0.1,60",
    ]);
    // What the proxy is told is `localhost`: it asks this machine's own resolver.
    let script = format!(
        "data:,function FindProxyForURL(url, host) {{ \
         if (host == 'localhost') return 'PROXY proxy.test:{}'; \
         return dnsResolve('far.test') == '10.1.2.3' && isInNet(host, '127.0.0.0', '255.0.0.0') \
         ? 'DIRECT' : 'PROXY 127.0.0.1:1'; }}",
        upstream.address.port()
    );
    let options = ["--pac", &script, "-n", &server(&names), "--proxy-localhost", "allow"];
    let office = Office::v5(&options);
    let by_proxy = |request: usize| {
        let all = site.received("/hello");
        all[request].head.all("Via").iter().any(|via| via.contains("tinyproxy"))
    };
    assert_eq!(office.curl(&url("app.test", &site)).text(), HELLO);
    assert!(!by_proxy(0));
    assert_eq!(office.curl(&url("localhost", &site)).text(), HELLO);
    assert!(by_proxy(1));
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_dnsmasq, ignore = "skipped: dnsmasq is not installed")]
#[cfg_attr(missing_namespaces, ignore = "a hosts file of its own needs root")]
fn the_hosts_file_comes_first_and_is_read_again() {
    let site = Site::start_at(Ipv4Addr::new(127, 0, 0, 9));
    let names = Dnsmasq::start(&["host-record=app.test,127.0.0.8,60"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, "127.0.0.9 other.test\n").expect("a file in our own folder");
    // A mount namespace of its own, where this is the hosts file.
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]);
    command.arg(&hosts).arg(binary::sc());
    let options = ["-n", &server(&names)];
    let office = Office::start_as(command, CommandLine::Version5, &options);
    assert_eq!(office.curl(&url("other.test", &site)).text(), HELLO);
    assert_eq!(names.questions("other.test"), 0);
    office.fails_with(&url("app.test", &site), 502, "dial-refused");
    assert_eq!(names.questions("app.test"), 2);
    // The same file with something more.
    fs::write(&hosts, "127.0.0.9 other.test app.test\n").expect("the same file");
    assert_eq!(office.curl(&url("app.test", &site)).text(), HELLO);
    assert_eq!(names.questions("app.test"), 2);
}
