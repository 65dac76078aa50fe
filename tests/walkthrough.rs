//! The README's walk-through with programs that everybody has: nginx is the site, curl the user.

use std::path::Path;
use std::process::{Command, Stdio};

use sc_tests::curl::Curl;
use sc_tests::deployment::Tunnel;
use sc_tests::nginx::{INDEX, Nginx};
use sc_tests::payload::{self, Payload};
use sc_tests::scale;
use sc_tests::shared::{Report, Shared};

/// A tunnel and a site behind it.
struct Office {
    tunnel: Tunnel,
    nginx: Nginx,
}

static OFFICE: Shared<Office> =
    Shared::new(|| Office { tunnel: Tunnel::start(), nginx: Nginx::start() });

impl Office {
    /// One call of curl through the tunnel; HTTPS is verified.
    fn curl(&self) -> Curl {
        Curl::through(self.tunnel.proxy).args(["--cacert".as_ref(), self.nginx.ca().as_os_str()])
    }
}

impl Report for Office {
    fn report(&self) -> String {
        format!("{}\n{}", self.tunnel.report(), self.nginx.report())
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
fn pages_by_http_and_https() {
    let office = OFFICE.lease();
    assert_eq!(office.curl().args([office.nginx.http("/")]).text(), INDEX);
    assert_eq!(office.curl().args([office.nginx.https("/")]).text(), INDEX);
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
fn a_big_file_is_the_same_both_ways() {
    let office = OFFICE.lease();
    let length = scale::file_bytes();
    let file = Payload::new(1, length);
    let expected = (length, file.sha256());
    office.nginx.put("big", file);
    for url in [office.nginx.http("/big"), office.nginx.https("/big")] {
        assert_eq!(download(&office, &url), expected, "{url}");
    }
    for url in [office.nginx.http("/upload/big"), office.nginx.https("/upload/big")] {
        let file = office.nginx.file("big");
        office.curl().args(["-T".as_ref(), file.as_os_str(), url.as_ref()]).text();
        let stored = std::fs::File::open(office.nginx.file("upload/big")).unwrap();
        assert_eq!(payload::sha256_of(stored).unwrap(), expected, "{url}");
        std::fs::remove_file(office.nginx.file("upload/big")).unwrap();
    }
    std::fs::remove_file(office.nginx.file("big")).unwrap();
}

/// Downloads by curl and hashes what comes, without a second file.
fn download(office: &Office, url: &str) -> (u64, String) {
    let mut curl = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--disable", "--noproxy", ""])
        .args(["--proxy", &format!("http://{}", office.tunnel.proxy)])
        .args(["--cacert".as_ref(), office.nginx.ca().as_os_str()])
        .arg(url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let received = payload::sha256_of(curl.stdout.take().unwrap()).unwrap();
    assert!(curl.wait().unwrap().success());
    received
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
fn two_hundred_requests_at_once() {
    let office = OFFICE.lease();
    for index in 1..=200 {
        office.nginx.put(&format!("part{index}"), Payload::new(index, 100_000 + index));
    }
    let folder = tempfile::tempdir().unwrap();
    let parallel = ["--parallel", "--parallel-immediate", "--parallel-max", "200"];
    office
        .curl()
        .args(parallel)
        .args(["--output".as_ref(), folder.path().join("#1").as_os_str()])
        .args([office.nginx.http("/part[1-200]")])
        .text();
    for index in 1..=200 {
        let received = std::fs::read(folder.path().join(index.to_string())).unwrap();
        assert!(received == Payload::new(index, 100_000 + index).bytes(), "part{index}");
    }
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
fn chunked_head_and_304() {
    let office = OFFICE.lease();
    let url = office.nginx.http("/chunked/");
    let chunked = office.curl().args(["--include", &url]).text();
    assert!(chunked.to_lowercase().contains("transfer-encoding: chunked"), "{chunked}");
    assert!(chunked.ends_with(INDEX), "{chunked}");
    let url = office.nginx.http("/");
    let head = office.curl().args(["--head", &url]).text();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let length = format!("content-length: {}", INDEX.len());
    assert!(head.to_lowercase().contains(&length), "{head}");
    let folder = tempfile::tempdir().unwrap();
    let etag = folder.path().join("etag");
    let revalidate = |option: &str, path: &Path| {
        let curl = office.curl().args([option.as_ref(), path.as_os_str()]);
        curl.args(["--write-out", "%{http_code}", "--output", "/dev/null", &url]).text()
    };
    assert_eq!(revalidate("--etag-save", &etag), "200");
    assert_eq!(revalidate("--etag-compare", &etag), "304");
}

#[test]
#[cfg_attr(missing_curl, ignore = "skipped: curl is not installed")]
#[cfg_attr(missing_nginx, ignore = "skipped: nginx is not installed")]
fn an_upload_waits_for_100_continue() {
    let office = OFFICE.lease();
    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), Payload::new(9, 100_000).bytes()).unwrap();
    let output = office
        .curl()
        // So long would curl wait for the site's word before it sends the body unasked.
        .args(["--verbose", "--expect100-timeout", "100", "-H", "Expect: 100-continue"])
        .args(["-T".as_ref(), body.path().as_os_str()])
        .args([office.nginx.http("/upload/asked")])
        .run();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("< HTTP/1.1 100 Continue"), "{log}");
    let stored = std::fs::read(office.nginx.file("upload/asked")).unwrap();
    assert!(stored == Payload::new(9, 100_000).bytes());
}
