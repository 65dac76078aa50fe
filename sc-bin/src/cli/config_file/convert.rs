//! Options of version 4 as version 5 takes them: what `sc legacy --output-config-file` writes.

use std::fmt::Write as _;

use crate::cli::egress::PROXY_VARIABLES;
use crate::cli::environment::Environment;
use crate::cli::settings::Dialect;
use crate::cli::table::{self, Effect, Row};
use crate::cli::values::{ValueError, Values};

/// Options that version 5 has in no form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConvertError {
    /// A value that may not be given.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// An expression about more than the host.
    #[error(
        "--fast-fail-regexps: item {0} is about more of the URL than the host, and version 5's \
         --deny-domains sees hosts only: write it so that it matches the host, or leave it out"
    )]
    UrlRule(usize),
    /// Credentials in another form.
    #[error("--auth: item {0} is not HOST[:PORT]:USER:PASSWORD")]
    Auth(usize),
    /// Extras that are no JSON.
    #[error("--extra-info is not a JSON object")]
    ExtraInfo,
}

/// The file, in YAML. Options without a counterpart are named in comments.
pub(crate) fn converted(values: &Values, env: &Environment) -> Result<String, ConvertError> {
    let mut file = ConfigFile::default();
    file.comment("Options of `sc run`, made from those of version 4 by `sc legacy`.");
    for row in table::rows(Dialect::V4).filter(|row| values.origin(row.id).is_some()) {
        convert(row, values, &mut file)?;
    }
    let no_proxy = values.origin("proxy").is_none() && values.origin("pac").is_none();
    let detected = PROXY_VARIABLES.into_iter().find(|name| env.first(&[name]).is_some());
    if let Some(variable) = detected.filter(|_| no_proxy) {
        file.comment(&format!(
            "The variable {variable} names a proxy. Version 5 does not look there: add `proxy` for \
             the sites and `proxy-sauce` for the REST API and the tunnel if they need it."
        ));
    }
    if values.origin("tunnel-name").is_none() {
        file.comment("Version 5 wants a name: add `tunnel-name`.");
    }
    let logins = credentials(values)?;
    if !logins.is_empty() {
        file.list("auth", logins);
    }
    Ok(file.text)
}

/// One option. Those with credentials come later, together.
fn convert(row: &'static Row, values: &Values, file: &mut ConfigFile) -> Result<(), ConvertError> {
    let text = values.text(row.id).unwrap_or_default();
    let items = values.items(row.id);
    match row.id {
        "auth" | "pac-auth" | "config-file" => {}
        "tunnel-pool" | "no-remove-colliding-tunnels" => {
            if values.switch(row.id)? == Some(true) && !file.text.contains("\ntunnel-pool:") {
                file.plain("tunnel-pool", "true");
            }
        }
        "shared" => {
            if values.switch(row.id)? == Some(true) {
                file.plain("shared", "all");
            }
        }
        "direct-domains" if values.origin("tunnel-domains").is_some() => {
            file.comment("direct-domains: left out, since tunnel-domains goes before it");
        }
        "direct-domains" | "tunnel-domains" => file.list(row.id, patterns(&items)),
        "no-ssl-bump-domains" => file.list("tls-passthrough-domains", patterns(&items)),
        "fast-fail-regexps" => {
            let about_more = |item: &String| item.contains(['/', ':', '?']) && !item.contains("(?");
            if let Some(at) = items.iter().position(about_more) {
                return Err(ConvertError::UrlRule(at + 1));
            }
            file.comment("deny-domains: these were about URLs, and now are about hosts");
            file.list("deny-domains", items);
        }
        "proxy" => proxies(&text, values, file)?,
        "proxy-userpwd" | "proxy-tunnel" if values.origin("proxy").is_some() => {}
        "proxy-localhost" => file.plain(
            row.id,
            match text.as_str() {
                "true" | "1" => "allow",
                "false" | "0" => "direct",
                policy => policy,
            },
        ),
        "metadata" => {
            file.list(row.id, items.iter().map(|item| item.replacen(':', "=", 1)).collect());
        }
        "extra-info" => extras(&text, file)?,
        "log-file" if text == "-" => {}
        "verbose" => {
            let count = values.count(row.id)?;
            if count > 0 && values.origin("log-level").is_none() {
                file.plain("log-level", "debug");
            }
            if count > 1 {
                file.list("log-http", vec!["headers".to_owned()]);
            }
        }
        "scproxy-port" => file.text("debug-address", &format!("localhost:{text}")),
        "metrics-address" if values.origin("status-address").is_some() => {}
        "status-address" | "metrics-address" => {
            file.comment("api-address: its paths differ from those of version 4's status server");
            file.text("api-address", &text);
        }
        id => match (table::identified(Dialect::V5, id), row.effect) {
            (Some(same), _) if same.is_list() => file.list(same.long, items),
            (Some(same), _) => file.text(same.long, &text),
            (None, Effect::Nothing(why)) => file.comment(&format!("{}: {why}", row.long)),
            (None, _) => {
                file.comment(&format!("{}: version 5 has nothing in its place", row.long));
            }
        },
    }
    Ok(())
}

/// Version 4's one proxy is version 5's two.
fn proxies(proxy: &str, values: &Values, file: &mut ConfigFile) -> Result<(), ConvertError> {
    let (scheme, rest) = match proxy.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), proxy),
    };
    let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
    let proxy = match values.text("proxy-userpwd") {
        Some(login) => {
            let (user, password) = login.split_once(':').unwrap_or((&login, ""));
            format!("{scheme}{}:{}@{address}", escaped(user), escaped(password))
        }
        None => proxy.to_owned(),
    };
    file.text("proxy", &proxy);
    if scheme.eq_ignore_ascii_case("https://") {
        file.comment(
            "proxy-sauce: left out, since it goes by proxies of scheme http or socks5 only",
        );
        return Ok(());
    }
    if values.switch("proxy-tunnel")? != Some(true) {
        file.comment(
            "proxy-sauce: in version 4 it was for the REST API only, and now is for the tunnel, too",
        );
    }
    file.text("proxy-sauce", &proxy);
    Ok(())
}

/// All user names and passwords, as `user:password@host:port`.
fn credentials(values: &Values) -> Result<Vec<String>, ConvertError> {
    let sites = (1..).zip(values.items("auth"));
    let sites = sites.map(|(number, item)| reordered(&item).ok_or(ConvertError::Auth(number)));
    let proxies = values.items("pac-auth").into_iter().map(|item| match item.rsplit_once('@') {
        Some((login, address)) => Ok(format!("{}@{address}", login.replace('%', "%25"))),
        None => Ok(item),
    });
    sites.chain(proxies).collect()
}

/// `host[:port]:user:password` the other way round.
fn reordered(item: &str) -> Option<String> {
    let end = item.find(']').map_or(0, |at| at + 1);
    let colon = end + item.get(end..)?.find(':')?;
    let (host, rest) = (item.get(..colon)?, item.get(colon + 1..)?);
    let is_port = |text: &str| text == "*" || text.bytes().all(|byte| byte.is_ascii_digit());
    let (port, login) = match rest.split_once(':') {
        Some((port, login)) if !port.is_empty() && is_port(port) && login.contains(':') => {
            (port, login)
        }
        Some(_) => ("80", rest),
        None => return None,
    };
    let host = if host.is_empty() { "*" } else { host };
    Some(format!("{}@{host}:{port}", login.replace('%', "%25")))
}

/// Patterns as regular expressions about the whole host.
fn patterns(items: &[String]) -> Vec<String> {
    let expression = |item: &String| {
        let item = item.trim();
        let domain = item.strip_prefix("*.").or_else(|| item.strip_prefix('.'));
        match domain {
            _ if item == "all" || item == "*" => "all".to_owned(),
            Some(domain) => format!(r"^.+\.{}$", literal(domain)),
            None => format!("^{}$", literal(item.trim_matches(['[', ']']))),
        }
    };
    items.iter().map(expression).collect()
}

fn literal(host: &str) -> String {
    host.replace('.', r"\.")
}

/// A part of a URL's user information.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// Version 4's extras: the runner has become metadata, the rest has no counterpart.
fn extras(text: &str, file: &mut ConfigFile) -> Result<(), ConvertError> {
    let extras: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|_| ConvertError::ExtraInfo)?;
    for (key, value) in extras {
        match (key.as_str(), value.as_str()) {
            ("runner", Some(runner)) => file.list("metadata", vec![format!("runner={runner}")]),
            ("inject-forwarded-for", _) => {
                file.comment("extra-info: version 5 always tells sites by X-Forwarded-For");
            }
            _ => file.comment(&format!("extra-info: version 5 has nothing in the place of {key}")),
        }
    }
    Ok(())
}

/// A file that is being written.
#[derive(Default)]
struct ConfigFile {
    text: String,
}

impl ConfigFile {
    fn comment(&mut self, text: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# {text}");
    }

    fn plain(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.text, "{key}: {value}");
    }

    /// JSON's strings are YAML's, too.
    fn text(&mut self, key: &str, value: &str) {
        self.plain(key, &serde_json::Value::from(value).to_string());
    }

    fn list(&mut self, key: &str, items: Vec<String>) {
        let head = format!("{key}:\n");
        let lines =
            items.into_iter().map(|item| format!("  - {}\n", serde_json::Value::from(item)));
        let lines: String = lines.collect();
        match self.text.find(&format!("\n{head}")) {
            // The key is there: what comes is added.
            Some(at) => self.text.insert_str(at + 1 + head.len(), &lines),
            None => self.text.push_str(&format!("{head}{lines}")),
        }
    }
}

#[cfg(test)]
mod tests;
