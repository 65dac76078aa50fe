//! What `sc dev` prints: what there is, and what to paste.
//!
//! Stable for scripts, once the tunnel is up and in this order: one line each that begins with
//! `  curl -x ` (the application through the tunnel), `  curl -u dev:` (REST) and
//! `  export SAUCE_USERNAME=` (the variables of a second client).

use std::io::Write;

use sc_proto::contract::TunnelId;

use crate::client::{Failure, Line, Speaker, spoken};

/// What the guide is about.
pub(super) struct Facts {
    /// The REST API.
    pub(super) rest_url: String,
    /// The Tunnels page.
    pub(super) page_url: String,
    /// Access key of the user `dev`.
    pub(super) key: String,
    /// What is reached through the tunnel.
    pub(super) app: App,
    /// How this program is called from another terminal.
    pub(super) program: String,
    /// The environment keeps some hosts away from proxies, which would surprise curl's user.
    pub(super) no_proxy: NoProxy,
}

/// What is reached through the tunnel.
pub(super) enum App {
    /// The demo site, at this URL.
    Demo(String),
    /// The user's own, at this URL.
    Own {
        /// Where.
        url: String,
        /// Something listens there.
        answers: bool,
    },
}

/// Whether `NO_PROXY` is set here, and so probably in the user's other terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoProxy {
    Set,
    Unset,
}

/// The text as one word of a POSIX shell.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-+@%".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Speaks for `sc dev`.
pub(super) struct Guide<Out, Err> {
    facts: Facts,
    out: Out,
    err: Err,
    tunnel: Option<(TunnelId, String)>,
}

impl<Out: Write, Err: Write> Guide<Out, Err> {
    pub(super) fn new(facts: Facts, out: Out, err: Err) -> Self {
        Self { facts, out, err, tunnel: None }
    }

    /// A closed terminal or pipe is no reason to end: write errors are ignored.
    fn print(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
        let _ = self.out.flush();
    }

    fn text(&self, id: TunnelId, proxy: &str) -> String {
        let Facts { rest_url, page_url, key, app, program, no_proxy } = &self.facts;
        let (kind, url, note) = match app {
            App::Demo(url) => ("demo site   ", url, ""),
            App::Own { url, answers: true } => ("application ", url, ""),
            App::Own { url, answers: false } => {
                ("application ", url, "   (nothing answers there yet)")
            }
        };
        let word = shell_word(url);
        let no_proxy = match no_proxy {
            NoProxy::Set => "--noproxy '' ",
            NoProxy::Unset => "",
        };
        format!(
            "sc dev: server, user and tunnel run on this machine, for this machine only.

  Tunnels page {page_url}
  REST API     {rest_url}
  user, key    dev, {key}
  tunnel       dev, {id}
  proxy        http://{proxy}
  {kind} {url}{note}

From another terminal, through the tunnel:

  curl -x http://{proxy} {no_proxy}{word}

In a browser of its own (Chromium keeps localhost away from proxies unless told otherwise):

  chromium --user-data-dir=/tmp/sc-dev --proxy-server=http://{proxy} '--proxy-bypass-list=<-loopback>' {word}

The tunnels by REST:

  curl -u dev:{key} '{rest_url}/dev/tunnels?full=true'

A second client, which gets a proxy of its own:

  export SAUCE_USERNAME=dev SAUCE_ACCESS_KEY={key} SAUCE_REST_URL={rest_url}
  {program} -i second

Ctrl-C ends it all and leaves nothing behind.
"
        )
    }
}

impl<Out: Write, Err: Write> Speaker for Guide<Out, Err> {
    fn say(&mut self, line: &Line) {
        match line {
            Line::Provisioned { id, proxy } => self.tunnel = Some((*id, proxy.clone())),
            Line::Ready => {
                if let Some((id, proxy)) = self.tunnel.clone() {
                    let text = self.text(id, &proxy);
                    self.print(&text);
                }
            }
            Line::Start { .. } | Line::Connecting { .. } | Line::Established { .. } => {}
            // Said when the server has ended, too.
            Line::Goodbye => {}
            other => self.print(&spoken(other)),
        }
    }

    fn fail(&mut self, failure: &Failure) {
        let (tried, next) = (failure.tried(), failure.next_step());
        let _ = write!(self.err, "Error: {failure}\n  tried: {tried}\n  next: {next}\n");
        let _ = self.err.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(app: App, no_proxy: NoProxy) -> String {
        let facts = Facts {
            rest_url: "http://127.0.0.1:4480/rest/v1".to_owned(),
            page_url: "http://127.0.0.1:4480/tunnels".to_owned(),
            key: "KEY".to_owned(),
            app,
            program: "sc".to_owned(),
            no_proxy,
        };
        let mut guide = Guide::new(facts, Vec::new(), Vec::new());
        guide.say(&Line::Provisioned {
            id: TunnelId([0xab; 16]),
            proxy: "127.0.0.1:4490".to_owned(),
        });
        assert!(guide.out.is_empty(), "nothing to paste before it works");
        guide.say(&Line::Ready);
        assert!(guide.err.is_empty());
        String::from_utf8(guide.out).unwrap()
    }

    /// The line that begins so; there must be one.
    fn line<'a>(text: &'a str, begin: &str) -> &'a str {
        let mut found = text.lines().filter(|line| line.starts_with(begin));
        let line = found.next().unwrap_or_else(|| panic!("{begin:?} is missing in {text}"));
        assert_eq!(found.next(), None);
        line
    }

    #[test]
    fn the_lines_that_scripts_read() {
        let text = printed(App::Demo("http://localhost:4488/".to_owned()), NoProxy::Unset);
        assert_eq!(line(&text, "  Tunnels page "), "  Tunnels page http://127.0.0.1:4480/tunnels");
        assert_eq!(
            line(&text, "  curl -x "),
            "  curl -x http://127.0.0.1:4490 http://localhost:4488/"
        );
        assert_eq!(
            line(&text, "  curl -u dev:"),
            "  curl -u dev:KEY 'http://127.0.0.1:4480/rest/v1/dev/tunnels?full=true'"
        );
        assert_eq!(
            line(&text, "  export SAUCE_USERNAME="),
            "  export SAUCE_USERNAME=dev SAUCE_ACCESS_KEY=KEY \
             SAUCE_REST_URL=http://127.0.0.1:4480/rest/v1"
        );
    }

    #[test]
    fn words_of_a_shell() {
        assert_eq!(shell_word("http://localhost:1/"), "http://localhost:1/");
        assert_eq!(shell_word("/my dir/sc"), "'/my dir/sc'");
        assert_eq!(shell_word("/it's/sc"), r"'/it'\''s/sc'");
    }

    #[test]
    fn the_users_own_application() {
        let own = |answers| App::Own { url: "https://app.test/?a=b".to_owned(), answers };
        let text = printed(own(false), NoProxy::Set);
        assert_eq!(
            line(&text, "  curl -x "),
            "  curl -x http://127.0.0.1:4490 --noproxy '' 'https://app.test/?a=b'"
        );
        assert!(text.contains("nothing answers there yet") && !text.contains("demo"));
        assert!(!printed(own(true), NoProxy::Set).contains("nothing answers"));
    }
}
