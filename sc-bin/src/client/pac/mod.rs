//! PAC: a script chooses the proxy for every site.
//!
//! `source` finds the script, `engine` runs it, on one thread of its own: a script is slow, resolves
//! names, and may hang for its whole time limit. Questions wait in a bounded queue; answers are kept
//! for a while where the script does not look at the clock.

mod engine;
mod source;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use crate::runtime::NameServers;
use rustls_pki_types::CertificateDer;
use sc_proto::contract::{Host, StreamKind, Target};
use sc_proto::egress::{InvalidAnswer, Logins, Way, ways_of_answer};

use engine::Engine;
pub(crate) use engine::ScriptError;

/// Questions that wait at most; more fail at once.
const QUEUE: usize = 1024;
/// How long an answer is kept, and how many are.
const KEPT_FOR: Duration = Duration::from_secs(60);
const KEPT: usize = 4096;
/// Words in a script that make its answers depend on more than the question.
const CHANGING: [&str; 7] =
    ["Date", "Range", "random", "myIpAddress", "dnsResolve", "isResolvable", "isInNet"];

/// A PAC script cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PacError {
    /// It could not be read or fetched.
    #[error("{0}")]
    Read(String),
    /// The web server did not give it.
    #[error("the web server answered with status {0}")]
    Status(u16),
    /// A `data:` or `file:` URL that is none.
    #[error("the data: or file: URL is malformed")]
    Data,
    /// A `file:` URL without an absolute path.
    #[error("a file:// URL needs an absolute path, as file:///etc/proxy.pac")]
    RelativeUrl,
    /// Nothing is in it.
    #[error("the script is empty")]
    Empty,
    /// A page for people.
    #[error("a web page is there instead of a script (it begins with \"<\")")]
    Html,
    /// Not UTF-8.
    #[error("the script is not text in UTF-8")]
    NotText,
    /// More than a script may have.
    #[error("the script is larger than 1 MiB")]
    TooLarge,
    /// The script itself.
    #[error("the script fails: {0}")]
    Script(#[from] ScriptError),
    /// No thread for it.
    #[error("no thread for it: {0}")]
    Thread(String),
}

/// A question, and whom its answer goes to.
type Question = (StreamKind, Target, Box<dyn FnOnce(Vec<Way>) + Send>);

/// A script that answers, on a thread of its own, until this and all its clones are dropped.
#[derive(Clone)]
pub(crate) struct Pac {
    questions: SyncSender<Question>,
    script: Arc<str>,
}

impl Pac {
    /// Reads and loads the script. `logins` are for the proxies that it names, `names` are
    /// asked instead of the system's resolver.
    ///
    /// # Errors
    ///
    /// [`PacError`]: the script cannot be had or used.
    pub(crate) fn start(
        source: &str,
        ca: &[CertificateDer<'static>],
        logins: Logins,
        names: Option<NameServers>,
    ) -> Result<Self, PacError> {
        let script: Arc<str> = source::read(source, ca)?.into();
        let text = Arc::clone(&script);
        let (questions, asked) = mpsc::sync_channel(QUEUE);
        let (loaded, outcome) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("sc-pac".to_owned())
            .spawn(move || match Engine::load(&script, names) {
                Ok(engine) => {
                    let _ = loaded.send(Ok(()));
                    Answers::new(engine, &script, logins).serve(&asked);
                }
                Err(error) => drop(loaded.send(Err(error))),
            })
            .map_err(|error| PacError::Thread(error.to_string()))?;
        match outcome.recv() {
            Ok(loaded) => loaded?,
            Err(error) => return Err(PacError::Thread(error.to_string())),
        }
        Ok(Self { questions, script: text })
    }

    /// The script itself.
    pub(crate) fn script(&self) -> &Arc<str> {
        &self.script
    }

    /// Asks for the ways to a site. `tell` hears them on another thread, or none at once if too
    /// many questions wait.
    pub(crate) fn ask(
        &self,
        kind: StreamKind,
        target: Target,
        tell: impl FnOnce(Vec<Way>) + Send + 'static,
    ) {
        match self.questions.try_send((kind, target, Box::new(tell))) {
            Ok(()) => {}
            Err(TrySendError::Full((.., tell)) | TrySendError::Disconnected((.., tell))) => {
                log::warn!("the PAC script is too slow for the requests that come");
                tell(Vec::new());
            }
        }
    }
}

/// The thread's own.
struct Answers {
    engine: Engine,
    logins: Logins,
    /// `None`: the script's answers change, so none is kept.
    kept: Option<HashMap<String, Kept>>,
}

/// An answer that is kept, under the URL that was asked for.
struct Kept {
    until: Instant,
    ways: Vec<Way>,
}

/// An answer that cannot be used.
#[derive(Debug, thiserror::Error)]
enum AnswerError {
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Answer(#[from] InvalidAnswer),
}

impl Answers {
    fn new(engine: Engine, script: &str, logins: Logins) -> Self {
        let changes = CHANGING.iter().any(|word| script.contains(word));
        Self { engine, logins, kept: (!changes).then(HashMap::new) }
    }

    fn serve(mut self, asked: &Receiver<Question>) {
        for (kind, target, tell) in asked {
            tell(self.answer(kind, &target));
        }
    }

    fn answer(&mut self, kind: StreamKind, target: &Target) -> Vec<Way> {
        let now = Instant::now();
        let url = url_of(kind, target);
        if let Some(kept) = self.kept.as_ref().and_then(|kept| kept.get(&url))
            && kept.until > now
        {
            return kept.ways.clone();
        }
        let ways = match self.ask(&url, target) {
            Ok(ways) => ways,
            Err(error) => {
                log::warn!("the PAC script fails for {target}: {error}");
                return Vec::new();
            }
        };
        if let Some(kept) = &mut self.kept {
            if kept.len() >= KEPT {
                kept.retain(|_, one| one.until > now);
            }
            if kept.len() < KEPT {
                kept.insert(url, Kept { until: now + KEPT_FOR, ways: ways.clone() });
            }
        }
        ways
    }

    fn ask(&self, url: &str, target: &Target) -> Result<Vec<Way>, AnswerError> {
        let host = match &target.host {
            Host::Name(name) => name.to_string(),
            Host::Ip(ip) => ip.to_string(),
        };
        let answer = self.engine.ask(url, &host)?;
        let mut ways = ways_of_answer(&answer)?;
        for way in &mut ways {
            if let Some(proxy) = way.proxy_mut() {
                self.logins.sign_in(proxy);
            }
        }
        Ok(ways)
    }
}

/// What the script is told of a request: browsers tell a path for `http:` only, here none is told.
fn url_of(kind: StreamKind, target: &Target) -> String {
    let (scheme, usual) = match kind {
        StreamKind::Connect | StreamKind::Https => ("https", 443),
        StreamKind::Http => ("http", 80),
    };
    match target.port == usual {
        true => format!("{scheme}://{}/", target.host),
        false => format!("{scheme}://{target}/"),
    }
}

#[cfg(test)]
mod tests {
    use sc_proto::egress::{Credentials, Login};

    use super::*;

    fn ask(pac: &Pac, kind: StreamKind, target: &str) -> Vec<String> {
        let (sender, answer) = mpsc::channel();
        let tell = move |ways: Vec<Way>| {
            let _ = sender.send(ways.iter().map(Way::to_string).collect::<Vec<_>>());
        };
        pac.ask(kind, target.parse().unwrap(), tell);
        answer.recv().unwrap()
    }

    #[test]
    fn a_script_answers_for_hosts_and_schemes() {
        let script = "data:,function FindProxyForURL(url, host) { \
                      if (url == 'https://a.test/') return 'PROXY p.test:1; SOCKS s.test:2; DIRECT'; \
                      if (host == '::1') return url; \
                      return url == 'http://a.test:81/' ? '' : 'PROXY'; }";
        let pac = Pac::start(script, &[], Logins::default(), None).unwrap();
        let ways = ask(&pac, StreamKind::Connect, "a.test:443");
        assert_eq!(ways, ["http://p.test:1", "socks5://s.test:2", "direct"]);
        assert_eq!(ask(&pac, StreamKind::Http, "a.test:81"), ["direct"]);
        assert!(ask(&pac, StreamKind::Http, "b.test:80").is_empty());
        assert!(ask(&pac, StreamKind::Http, "[::1]:80").is_empty());
    }

    #[test]
    fn answers_are_kept_where_they_cannot_change() {
        let counting = "data:,var n = 0; function FindProxyForURL() { \
                        return 'PROXY p:' %2B ++n; }";
        let pac = Pac::start(counting, &[], Logins::default(), None).unwrap();
        for _ in 0..3 {
            assert_eq!(ask(&pac, StreamKind::Http, "a:1"), ["http://p:1"]);
        }
        assert_eq!(ask(&pac, StreamKind::Connect, "a:1"), ["http://p:2"]);
        let changing = format!("{counting} // dateRange");
        let pac = Pac::start(&changing, &[], Logins::default(), None).unwrap();
        assert_eq!(ask(&pac, StreamKind::Http, "a:1"), ["http://p:1"]);
        assert_eq!(ask(&pac, StreamKind::Http, "a:1"), ["http://p:2"]);
    }

    #[test]
    fn passwords_go_to_the_proxy_they_are_for() {
        let credentials = Credentials::new("u", "p").unwrap();
        let login = Login::at("p:1".parse().unwrap(), credentials.clone());
        let logins = Logins::new([login]).unwrap();
        let script = "data:,function FindProxyForURL() { return 'PROXY p:1; PROXY q:1'; }";
        let pac = Pac::start(script, &[], logins, None).unwrap();
        let (sender, answer) = mpsc::channel();
        pac.ask(StreamKind::Http, "a:1".parse().unwrap(), move |ways| drop(sender.send(ways)));
        let ways = answer.recv().unwrap();
        let of = |at: usize| ways[at].proxy().unwrap().credentials.clone();
        assert_eq!((of(0), of(1)), (Some(credentials), None));
    }

    #[test]
    fn a_bad_script_is_an_error_at_the_start() {
        let error = |source: &str| {
            Pac::start(source, &[], Logins::default(), None).err().unwrap().to_string()
        };
        assert!(error("data:,function x() {}").contains("FindProxyForURL"));
        assert!(error("data:,function (").contains("fails"));
    }
}
