//! What a client tells its server about itself.

use std::fs;
use std::thread;

use sc_proto::rules::Caching;

use crate::api::{CreateTunnel, Metadata};
#[cfg(feature = "pool")]
use crate::cli::{Pooling, Shared};
use crate::cli::{Settings, open_files_limit, shown_args};

/// The create request for these settings.
pub(super) fn request(settings: &Settings) -> CreateTunnel {
    CreateTunnel {
        tunnel_identifier: settings.name.as_ref().map(|name| name.as_str().to_owned()),
        protocol: Some("kgp".to_owned()),
        #[cfg(feature = "pool")]
        tunnel_pool: (settings.membership.pooling == Pooling::Member).then_some(true),
        #[cfg(feature = "pool")]
        shared_tunnel: (settings.membership.shared == Shared::V4).then_some(true),
        #[cfg(feature = "pool")]
        shared: (settings.membership.shared == Shared::V5).then(|| "all".to_owned()),
        rules: settings.rules.clone(),
        extra_info: settings.egress.exchanges.extra_info.clone(),
        // Version 5's clients do not say anything about it.
        no_proxy_caching: (settings.caching == Caching::Off).then_some(true),
        metadata: Some(metadata(settings)),
        ..CreateTunnel::default()
    }
}

/// The query of the question for configuration.
pub(super) fn query() -> String {
    format!("client_host={}&client_version={}", platform(), env!("CARGO_PKG_VERSION"))
}

fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// What cannot be found out is left out.
#[cfg_attr(not(feature = "pool"), allow(unused_variables))]
fn metadata(settings: &Settings) -> Metadata {
    Metadata {
        #[cfg(feature = "pool")]
        extra: Some(settings.membership.metadata.clone()).filter(|extra| !extra.is_empty()),
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_all_of_it() {
        assert!(hostname().is_some());
        assert!(memory().unwrap() > 1 << 20);
    }
}
