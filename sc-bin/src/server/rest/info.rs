//! What a client asks before it makes a tunnel, and where it can be had.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;

use super::RestState;
use super::auth::Visit;
use super::error::RestError;
use super::query::Parameters;
use crate::api::{
    BASE, Configuration, Download, DownloadAnswer, PlatformDownload, Region, Updates,
    VersionStatus, Versions,
};
use crate::server::announcements::{
    Announcements, DownloadPlace, Level, Processor, System, Version,
};

/// The name of the one place there is.
const REGION: &str = "self-hosted";

/// `GET /{user}/tunnels/info/updates`.
pub(super) async fn updates(
    _: Visit,
    State(state): State<Arc<RestState>>,
    headers: HeaderMap,
    query: Parameters,
) -> Json<Updates> {
    // The name the client used for this server works for this client.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let url = match host {
        Some(host) => format!("{}://{host}{BASE}", state.scheme),
        None => state.url.clone(),
    };
    let client = query.text("client_version").and_then(Version::parse);
    let texts = |level| state.announcements.texts(level, client.as_ref());
    Json(Updates {
        fatal: texts(Level::Fatal),
        warning: texts(Level::Warning),
        info: texts(Level::Info),
        configuration: Configuration {
            regions: vec![Region { name: REGION.to_owned(), url }],
            ..Configuration::default()
        },
    })
}

/// `GET /ca.pem`, for everybody: what browsers have to trust for re-signed TLS.
pub(super) async fn resign_ca(State(state): State<Arc<RestState>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], state.resign_ca.clone())
}

/// `GET /public/tunnels/info/versions`, for everybody.
pub(super) async fn versions(
    State(state): State<Arc<RestState>>,
    query: Parameters,
) -> Result<Json<Versions>, RestError> {
    let told = &state.announcements;
    let client_version = query.text("client_version").unwrap_or_default();
    let latest = told.newest().map_or(env!("CARGO_PKG_VERSION"), Version::text);
    let is_older = match (Version::parse(client_version), Version::parse(latest)) {
        (Some(client), Some(latest)) => client.is_older_than(&latest),
        _ => false,
    };
    let all = all_downloads(told);
    let downloads = all.get(latest).cloned().unwrap_or_default();
    let own = query.text("client_host").and_then(|platform| downloads.get(platform)).cloned();
    Ok(Json(Versions {
        latest_version: latest.to_owned(),
        client_version: client_version.to_owned(),
        status: if is_older { VersionStatus::Upgrade } else { VersionStatus::Ok },
        info_url: told.info_url.clone(),
        download_url: own.as_ref().map(|own| own.download_url.clone()),
        sha1: own.and_then(|own| own.sha1),
        warning: told.texts(Level::Warning, Version::parse(client_version).as_ref()),
        downloads,
        all_downloads: query.flag("all", false)?.then_some(all),
    }))
}

/// Downloads by version, then by platform.
fn all_downloads(told: &Announcements) -> BTreeMap<String, BTreeMap<String, PlatformDownload>> {
    let mut all = BTreeMap::<String, BTreeMap<String, PlatformDownload>>::new();
    for place in &told.downloads {
        let one = PlatformDownload { download_url: place.url.clone(), sha1: place.sha1() };
        let version = all.entry(place.version.text().to_owned()).or_default();
        version.insert(place.platform().to_owned(), one);
    }
    all
}

/// `GET /public/tunnels/sauce-connect/download`, for everybody.
pub(super) async fn download(
    State(state): State<Arc<RestState>>,
    query: Parameters,
) -> Result<Json<DownloadAnswer>, RestError> {
    let version = query.text("version").unwrap_or_default();
    let (os, arch) = (query.text("os").unwrap_or("linux"), query.text("arch").unwrap_or("x86_64"));
    let found = match (System::named(os), Processor::named(arch)) {
        (Some(os), Some(arch)) => state.announcements.download(version, os, arch),
        _ => None,
    };
    let missing = || RestError::NoDownload(format!("version {version:?}, {os:?}, {arch:?}"));
    let DownloadPlace { url, version, checksums, .. } = found.ok_or_else(missing)?;
    Ok(Json(DownloadAnswer {
        download: Download {
            url: url.clone(),
            version: version.text().to_owned(),
            checksums: checksums.clone(),
        },
    }))
}
