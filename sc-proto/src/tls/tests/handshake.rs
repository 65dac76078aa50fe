//! Who connects to whom, and who must not.

use rustls::version::{TLS12, TLS13};

use super::*;

const ONLY_12: Versions = &[&TLS12];
const ONLY_13: Versions = &[&TLS13];

fn ends(client: &TlsClient, server: &TlsServer, name: &str, unix_time: u64) -> Ends {
    Pair::with(client, server, name, unix_time).settle(usize::MAX)
}

#[test]
fn tls13_with_aes_256_by_default() {
    let identity = Identity::new();
    let pair = Pair::established(&identity.client(), &identity.server());
    for pipe in [&pair.client, &pair.server] {
        assert_eq!(pipe.cipher(), Some("TLS13_AES_256_GCM_SHA384"));
    }
}

#[test]
fn tls12_with_aes_256_if_one_side_has_no_more() {
    let identity = Identity::new();
    let old_client = identity.client_with(ONLY_12, &[ALPN]);
    let old_server = identity.server_with(ONLY_12, &[ALPN]);
    for (client, server) in [(&old_client, &identity.server()), (&identity.client(), &old_server)] {
        let mut pair = Pair::established(client, server);
        let cipher = Some("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
        assert_eq!(pair.server.cipher(), cipher);
        let data = pattern(300_000);
        assert!(pair.upload(&data, usize::MAX) == data);
        assert!(pair.download(&data, usize::MAX) == data);
    }
}

#[test]
fn no_version_in_common() {
    let identity = Identity::new();
    let client = identity.client_with(ONLY_12, &[ALPN]);
    let server = identity.server_with(ONLY_13, &[ALPN]);
    let (client_end, server_end) = ends(&client, &server, NAME, NOW);
    assert_eq!(client_end, Err(TlsError::PeerAlert(Alert(70))));
    assert!(matches!(server_end, Err(TlsError::Incompatible(_))), "{server_end:?}");
}

#[test]
fn one_byte_at_a_time() {
    let identity = Identity::new();
    for versions in [ONLY_13, ONLY_12] {
        let server = identity.server_with(versions, &[ALPN]);
        let mut pair = Pair::new(&identity.client(), &server);
        assert_eq!(pair.settle(1), (Ok(()), Ok(())));
        let data = pattern(40_000);
        assert!(pair.upload(&data, 1) == data);
        assert!(pair.download(&data, 1) == data);
    }
}

#[test]
fn handshake_messages_split_over_many_records() {
    let identity = Identity::new();
    for versions in [ONLY_13, ONLY_12] {
        let server = identity.server_with(versions, &[ALPN]).with_records_of(40);
        for chunk in [1, 7, 100, usize::MAX] {
            let mut pair = Pair::new(&identity.client(), &server);
            assert_eq!(pair.settle(chunk), (Ok(()), Ok(())), "chunks of {chunk}");
            let data = pattern(5_000);
            assert!(pair.download(&data, chunk) == data);
        }
    }
}

#[test]
fn an_address_as_name() {
    let identity = Identity::new();
    let (client, server) = (identity.client(), identity.server());
    assert_eq!(ends(&client, &server, "127.0.0.1", NOW), (Ok(()), Ok(())));
    let (client_end, _) = ends(&client, &server, "127.0.0.2", NOW);
    assert!(matches!(client_end, Err(TlsError::Certificate(CertificateProblem::WrongName { .. }))));
}

#[test]
fn certificates_that_must_not_pass() {
    let identity = Identity::new();
    let stranger = Identity::new();
    let (client, server) = (identity.client(), identity.server());
    let wrong_name =
        CertificateProblem::WrongName { presented: vec![NAME.into(), "127.0.0.1".into()] };
    let year = 365 * 24 * 3600;
    for (client, name, time, problem, alert) in [
        (&stranger.client(), NAME, NOW, CertificateProblem::UnknownIssuer, 48),
        (&client, "other.example", NOW, wrong_name, 42),
        (&client, NAME, NOW + 10 * year, CertificateProblem::Expired, 45),
        (&client, NAME, NOW - 3 * year, CertificateProblem::NotYetValid, 45),
    ] {
        let (client_end, server_end) = ends(client, &server, name, time);
        assert_eq!(client_end, Err(TlsError::Certificate(problem)));
        assert_eq!(server_end, Err(TlsError::PeerAlert(Alert(alert))));
    }
}

#[test]
fn a_pin_stands_for_the_certificate() {
    let identity = Identity::new();
    let server = identity.server();
    let pinned = TlsClient::new(Trust::Pin(server.leaf_sha256())).unwrap();
    // Neither name nor date matter, the fingerprint does.
    let (client_end, server_end) = ends(&pinned, &server, "other.example", 0);
    assert_eq!((client_end, server_end), (Ok(()), Ok(())));
    let other = Identity::new().server();
    assert_eq!(
        ends(&pinned, &other, NAME, NOW),
        (Err(TlsError::Certificate(CertificateProblem::Pin)), Err(TlsError::PeerAlert(Alert(49))))
    );
    let old = identity.server_with(ONLY_12, &[ALPN]);
    assert_eq!(ends(&pinned, &old, NAME, NOW), (Ok(()), Ok(())));
}

#[test]
fn both_must_say_kgp() {
    let identity = Identity::new();
    for versions in [ONLY_13, ONLY_12] {
        // A client that offers nothing, or something else.
        for alpn in [&[][..], &[b"h2".as_slice()]] {
            let client = identity.client_with(versions, alpn);
            let mut pair = Pair::new(&client, &identity.server());
            let (_, server_end) = pair.settle(usize::MAX);
            assert_eq!(server_end, Err(TlsError::Alpn));
            assert_eq!(pair.client.encrypt(b"data", &mut pair.pool), 0);
        }
        // A server that chooses nothing.
        let server = identity.server_with(versions, &[]);
        let mut pair = Pair::new(&identity.client(), &server);
        assert_eq!(pair.settle(usize::MAX), (Err(TlsError::Alpn), Err(TlsError::Alpn)));
        assert_eq!(pair.server.plaintext(), b"");
    }
    // A server that has only others.
    let server = identity.server_with(VERSIONS, &[b"http/1.1"]);
    assert_eq!(
        ends(&identity.client(), &server, NAME, NOW),
        (Err(TlsError::Alpn), Err(TlsError::Alpn))
    );
}

#[test]
fn names_that_tls_cannot_check() {
    let client = Identity::new().client();
    for name in ["", "a b", "exa$mple", "-"] {
        let error = TlsPipe::client(&client, name, NOW, &mut BufferPool::default()).unwrap_err();
        assert_eq!(error, TlsError::ServerName(name.into()));
        assert_eq!(error.fault(), Fault::Configuration);
    }
}

#[test]
fn configurations_that_cannot_work() {
    let (one, two) = (Identity::new(), Identity::new());
    let error = |chain: &str, key: &str| {
        TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).map(|_| ()).unwrap_err()
    };
    assert_eq!(error(&one.chain, &two.key), TlsError::KeyMismatch);
    assert_eq!(error("nothing", &one.key), TlsError::CertificatePem(PemProblem::Missing));
    assert_eq!(error(&one.chain, &one.chain), TlsError::KeyPem(PemProblem::Missing));
    assert_eq!(
        error(&one.chain, &one.key.replace("-----END", "")),
        TlsError::KeyPem(PemProblem::End)
    );
    assert_eq!(
        error(&one.chain, &one.key.replace("\nM", "\n!")),
        TlsError::KeyPem(PemProblem::Base64)
    );
    for roots in [vec![], vec![b"no certificate".to_vec()]] {
        assert_eq!(TlsClient::new(Trust::Roots(roots)).map(|_| ()).unwrap_err(), TlsError::NoRoots);
    }
    let roots = Trust::roots_from_pem(one.chain.as_bytes()).unwrap();
    assert!(matches!(&roots, Trust::Roots(two) if two.len() == 2 && two[1] == one.root));
}

#[test]
fn debug_shows_no_secret() {
    let identity = Identity::new();
    let shown = std::format!("{:?} {:?}", identity.server(), identity.client());
    assert!(shown.starts_with("TlsServer(sha256:"), "{shown}");
    assert_eq!(shown.len(), "TlsServer(sha256:)".len() + 64 + " TlsClient".len());
}

#[test]
fn a_pipe_may_change_its_thread() {
    fn is_send<T: Send>() {}
    is_send::<TlsPipe>();
    is_send::<TlsServer>();
    is_send::<TlsClient>();
}
