//! What a client tells its server about itself.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use sc_proto::rules::Caching;

use crate::api::{CreateTunnel, Metadata};
use crate::cli::{Dialect, Settings, Sharing, open_files_limit, shown_args};

/// The create request for these settings.
pub(super) fn request(settings: &Settings) -> CreateTunnel {
    let (sharing, v4) = (&settings.sharing, settings.dialect == Dialect::V4);
    CreateTunnel {
        tunnel_identifier: settings.name.as_ref().map(|name| name.as_str().to_owned()),
        protocol: Some("kgp".to_owned()),
        tunnel_pool: (sharing.pool || sharing.pool_size.is_some()).then_some(true),
        shared_tunnel: (v4 && sharing.shared).then_some(true),
        shared: (!v4 && sharing.shared).then(|| "all".to_owned()),
        rules: settings.rules.clone(),
        extra_info: settings.egress.exchanges.extra_info.clone(),
        // Version 5's clients do not say anything about it.
        no_proxy_caching: (settings.caching == Caching::Off).then_some(true),
        metadata: Some(Metadata { extra: extra(sharing), ..metadata() }),
        ..CreateTunnel::default()
    }
}

/// What the user says about the tunnel.
fn extra(sharing: &Sharing) -> Option<BTreeMap<String, String>> {
    let extra = sharing.metadata.iter().cloned().collect();
    Some(extra).filter(|extra: &BTreeMap<_, _>| !extra.is_empty())
}

/// The query of the question for configuration.
pub(super) fn query() -> String {
    format!("client_host={}&client_version={}", platform(), env!("CARGO_PKG_VERSION"))
}

fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// What cannot be found out is left out.
fn metadata() -> Metadata {
    Metadata {
        release: Some(env!("CARGO_PKG_VERSION").to_owned()),
        command: Some("sc".to_owned()),
        command_args: Some(shown_args()),
        platform: Some(platform()),
        hostname: hostname(),
        host_cpu: thread::available_parallelism().ok().map(|cpus| cpus.to_string()),
        host_memory: memory(),
        nofile_limit: open_files_limit(),
        ..Metadata::default()
    }
}

fn hostname() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Bytes of memory, as Linux tells.
fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{AccessKey, RestUrl};

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_all_of_it() {
        let metadata = metadata();
        assert!(metadata.hostname.is_some());
        assert!(metadata.host_memory.unwrap() > 1 << 20);
    }

    #[test]
    fn pools_and_sharing_are_asked_for_in_the_words_of_the_version() {
        let asked = |dialect, sharing| {
            let key = AccessKey::new("KEY".to_owned());
            let rest = RestUrl::parse("http://127.0.0.1:1").unwrap();
            request(&Settings { sharing, ..Settings::plain(dialect, "anna".to_owned(), key, rest) })
        };
        let metadata = vec![("runner".to_owned(), "ci".to_owned())];
        let all = Sharing { pool: true, shared: true, metadata, ..Sharing::default() };
        let v4 = asked(Dialect::V4, all.clone());
        assert_eq!((v4.tunnel_pool, v4.shared_tunnel, v4.shared), (Some(true), Some(true), None));
        assert_eq!(v4.metadata.unwrap().extra.unwrap()["runner"], "ci");
        let v5 = asked(Dialect::V5, all);
        assert_eq!((v5.shared_tunnel, v5.shared.as_deref()), (None, Some("all")));
        let none = asked(Dialect::V5, Sharing::default());
        assert_eq!((none.tunnel_pool, none.shared_tunnel, none.shared), (None, None, None));
        let kept = asked(Dialect::V5, Sharing { pool_size: Some(2), ..Sharing::default() });
        assert_eq!(kept.tunnel_pool, Some(true));
    }
}
