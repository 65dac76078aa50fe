use super::*;

fn options(yaml: &str) -> Options {
    serde_norway::from_str(yaml).unwrap()
}

fn settings(yaml: &str) -> Result<Settings, SettingsError> {
    options(&format!("data-dir: /nowhere\n{yaml}")).settings()
}

#[test]
fn defaults_are_for_this_machine_alone() {
    let settings = settings("").unwrap();
    assert_eq!(settings.rest_address.to_string(), "127.0.0.1:8033");
    assert_eq!(settings.rest_security, RestSecurity::PlainOnLoopback);
    assert_eq!(settings.tunnel_address.to_string(), "127.0.0.1:8443");
    assert_eq!(settings.tunnel_host, "127.0.0.1");
    assert_eq!(settings.proxy_ip, LOOPBACK);
    assert_eq!(settings.proxy_ports, PortRange::Between(20000, 20999));
}

#[test]
fn hosts_are_told_as_they_can_be_dialled() {
    let all = settings("tunnel-address: 0.0.0.0:443\ntunnel-host: SC.example\nproxy-host: '::'");
    let all = all.unwrap();
    assert_eq!(all.tunnel_host, "sc.example");
    assert_eq!(all.proxy_ip.to_string(), "::");
    assert_eq!(all.proxy_host, "sc.example");
    let six = settings("tunnel-host: '[::1]'\nproxy-host: localhost").unwrap();
    assert_eq!(six.tunnel_host, "::1");
    assert!(six.proxy_ip.is_loopback());
    assert_eq!(six.proxy_host, "localhost");
    for (wrong, said) in [
        ("tunnel-address: 0.0.0.0:443", "--tunnel-host"),
        ("tunnel-host: a/b", "--tunnel-host"),
        ("proxy-host: 'a b'", "--proxy-host"),
        ("tls-cert: a", "--tls-key"),
        ("rest-tls-key: a", "--rest-tls-cert"),
    ] {
        let error = settings(wrong).unwrap_err().to_string();
        assert!(error.contains(said), "{wrong}: {error}");
    }
}

#[test]
fn proxy_ports_are_guarded_where_it_is_said() {
    let open = settings("").unwrap().ingress;
    assert_eq!((open.own_ports, open.networks), (OwnPorts::Open, None));
    let yaml = "proxy-auth: required\nproxy-networks: [10.0.0.0/8, 'fd12::/48']\n\
                shared-proxy-address: 127.0.0.1:3128";
    let guarded = settings(yaml).unwrap();
    assert_eq!(guarded.ingress.own_ports, OwnPorts::Guarded);
    assert_eq!(guarded.ingress.networks.unwrap().len(), 2);
    assert_eq!(guarded.shared_proxy_address, Some("127.0.0.1:3128".parse().unwrap()));
}

#[test]
fn the_first_that_says_something_wins() {
    let flags = options("workers: 3\nproxy-ports: 5-6");
    let file = options("workers: 4\ninsecure-rest: true\nproxy-ports: 0");
    let both = flags.or(file);
    assert_eq!(both, options("workers: 3\nproxy-ports: 5-6\ninsecure-rest: true"));
}

#[test]
fn a_wrong_file_is_said() {
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("server.yaml");
    assert!(matches!(Options::from_file(&file), Err(SettingsError::ReadFile { .. })));
    std::fs::write(&file, "# nothing\n\n").unwrap();
    assert_eq!(Options::from_file(&file).unwrap(), Options::default());
    std::fs::write(&file, "rest-adress: 127.0.0.1:1\n").unwrap();
    let error = Options::from_file(&file).unwrap_err().to_string();
    assert!(error.contains("rest-adress"), "{error}");
}
