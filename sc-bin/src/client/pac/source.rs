//! Where a PAC script comes from: a file, a URL, `data:`, standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use super::PacError;
use crate::cli::data_url;

/// Longest script, in bytes.
const LIMIT: u64 = 1 << 20;
/// How long fetching one may take.
const FETCH: Duration = Duration::from_secs(30);

/// Reads the script that `source` names.
pub(super) fn read(
    source: &str,
    ca: &[rustls_pki_types::CertificateDer<'static>],
) -> Result<String, PacError> {
    let bytes = if source == "-" {
        limited(io::stdin().lock()).map_err(|error| PacError::Read(error.to_string()))?
    } else if let Some(data) = source.strip_prefix("data:") {
        data_url::decode(data).map_err(|_| PacError::Data)?
    } else if is_web(source) {
        fetch(source, ca)?
    } else {
        let path = match source.get(..7) {
            Some(scheme) if scheme.eq_ignore_ascii_case("file://") => path_of_url(&source[7..])?,
            _ => source.to_owned(),
        };
        let file = File::open(Path::new(&path)).and_then(limited);
        file.map_err(|error| PacError::Read(format!("{path}: {error}")))?
    };
    if bytes.len() as u64 > LIMIT {
        return Err(PacError::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|_| PacError::NotText)?;
    if text.trim().is_empty() {
        return Err(PacError::Empty);
    }
    // A sign-in page instead of the script is the most common of mistakes.
    if text.trim_start().starts_with('<') {
        return Err(PacError::Html);
    }
    Ok(text)
}

fn limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_web(source: &str) -> bool {
    let scheme = source.split("://").next().unwrap_or_default();
    source.contains("://")
        && (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
}

/// The path of a `file:` URL: absolute, on this machine.
fn path_of_url(rest: &str) -> Result<String, PacError> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let windows = path.strip_prefix('/').filter(|path| path.get(1..2) == Some(":"));
    if !path.starts_with('/') {
        return Err(PacError::RelativeUrl);
    }
    let bytes = data_url::unescape(windows.unwrap_or(path)).map_err(|_| PacError::Data)?;
    String::from_utf8(bytes).map_err(|_| PacError::Data)
}

/// Fetches a script, without a proxy: it is what says which proxies there are.
fn fetch(url: &str, ca: &[rustls_pki_types::CertificateDer<'static>]) -> Result<Vec<u8>, PacError> {
    let agent = crate::client::rest::agent(ca, None);
    let request = agent.get(url).config().timeout_global(Some(FETCH)).build();
    let mut response = request.call().map_err(|error| PacError::Read(error.to_string()))?;
    if !response.status().is_success() {
        return Err(PacError::Status(response.status().as_u16()));
    }
    let body = response.body_mut().with_config().limit(LIMIT + 1).read_to_vec();
    body.map_err(|error| PacError::Read(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_script_comes_from_a_path_a_url_or_data() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"function x() {}").unwrap();
        let path = file.path().to_str().unwrap();
        for source in [
            path.to_owned(),
            format!("file://{path}"),
            format!("FILE://localhost{path}"),
            "data:,function x() {}".to_owned(),
            "data:application/x-ns-proxy-autoconfig,function%20x()%20{}".to_owned(),
            "data:text/javascript;base64,ZnVuY3Rpb24geCgpIHt9".to_owned(),
        ] {
            assert_eq!(read(&source, &[]).unwrap(), "function x() {}", "{source}");
        }
    }

    #[test]
    fn what_is_no_script_is_told() {
        let text = |source: &str| read(source, &[]).unwrap_err().to_string();
        assert!(text("/no/such/file").contains("/no/such/file"));
        assert!(text("file://relative.pac").contains("absolute"));
        assert!(text("data:,%20").contains("empty"));
        assert!(text("data:,%3Chtml%3E").contains("web page"));
        assert!(text("data:x").contains("data:"));
        assert!(text("data:,%ff").contains("UTF-8"));
        assert!(text(&format!("data:,{}", "x".repeat(2 << 20))).contains("1 MiB"));
    }
}
