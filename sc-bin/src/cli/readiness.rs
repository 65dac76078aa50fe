//! The options of `sc ready` and `sc wait`: whom to ask, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::environment::Environment;
use super::go_duration::{self, InvalidDuration};
use super::settings::CONCEALED;
use crate::monitor::{BasicAuth, InvalidBasicAuth, InvalidListenAddress, ListenAddress};

/// How long `sc wait` waits unless told otherwise.
const WAIT: Duration = Duration::from_secs(120);

/// `sc ready`: whom to ask.
#[derive(Args, Debug, Default)]
pub(crate) struct ReadyArgs {
    /// The client's --api-address [env: SAUCE_API_ADDRESS]
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "status_address")]
    api_address: Option<String>,
    /// The client's --api-basic-auth [env: SAUCE_API_BASIC_AUTH]
    #[arg(long, value_name = "USER[:PASS]")]
    api_basic_auth: Option<String>,
    /// The client's --status-address [env: SAUCE_STATUS_ADDRESS]
    #[arg(long, value_name = "HOST:PORT")]
    status_address: Option<String>,
}

/// `sc wait`: whom to watch, and for how long.
#[derive(Args, Debug, Default)]
pub(crate) struct WaitArgs {
    /// Whom to ask.
    #[command(flatten)]
    ready: ReadyArgs,
    /// The client's --readyfile, to look for instead of asking [env: SAUCE_READYFILE]
    #[arg(short = 'f', long, value_name = "FILE")]
    readyfile: Option<PathBuf>,
    /// The client's process: if it ends, so does the wait
    #[arg(long, value_name = "PID", conflicts_with = "pidfile")]
    pid: Option<u32>,
    /// The client's --pidfile, for the same purpose [env: SAUCE_PIDFILE]
    #[arg(short = 'd', long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// How long to wait, as 90, 90s or 1m30s [default: 2m]
    #[arg(short, long, value_name = "DURATION")]
    timeout: Option<String>,
}

/// Who can be asked whether a tunnel is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Oracle {
    /// Where.
    pub(crate) address: ListenAddress,
    /// For which path.
    pub(crate) path: &'static str,
    /// As whom.
    pub(crate) auth: Option<BasicAuth>,
}

/// What shows that a tunnel is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// An answer.
    Answer(Oracle),
    /// A file.
    File(PathBuf),
}

/// Whose end ends the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// Nobody's that is known.
    Nobody,
    /// A process.
    Process(u32),
    /// The process whose id is in this file.
    File(PathBuf),
}

/// All of `sc wait`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// What is waited for.
    pub(crate) sign: Sign,
    /// And whose end makes that vain.
    pub(crate) watched: Watched,
    /// For how long.
    pub(crate) limit: Duration,
}

/// The options are not right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadinessError {
    /// Nobody to ask.
    #[error(
        "whom to ask is not said: give the client's --api-address or --status-address (for `wait` \
         also --readyfile), or set SAUCE_API_ADDRESS or SAUCE_STATUS_ADDRESS"
    )]
    NobodyToAsk,
    /// A wait that would not end when the client does.
    #[error(
        "a ready file never comes when the client fails: say by --pid or --pidfile whose end ends \
         the wait"
    )]
    NobodyToWatch,
    /// An address.
    #[error("{flag}: {why}")]
    Address {
        /// The option.
        flag: &'static str,
        /// What is wrong.
        why: InvalidListenAddress,
    },
    /// The user and password.
    #[error("--api-basic-auth: {0}")]
    BasicAuth(#[from] InvalidBasicAuth),
    /// The duration.
    #[error("--timeout: {0}")]
    Duration(#[from] InvalidDuration),
}

impl ReadyArgs {
    /// Whom to ask. Flags go before the environment.
    pub(crate) fn resolve(self, env: &Environment) -> Result<Oracle, ReadinessError> {
        let flag = |value: Option<String>| value.filter(|value| !value.is_empty());
        let auth = self.api_basic_auth.filter(|auth| auth != CONCEALED);
        let auth = flag(auth).or_else(|| env.first(&["SAUCE_API_BASIC_AUTH"]));
        let (api, status) = match (flag(self.api_address), flag(self.status_address)) {
            (None, None) => {
                (env.first(&["SAUCE_API_ADDRESS"]), env.first(&["SAUCE_STATUS_ADDRESS"]))
            }
            given => given,
        };
        let (flag, path, text) = match (api, status) {
            (Some(api), _) => ("--api-address", "/readyz", api),
            (None, Some(status)) => ("--status-address", "/readiness", status),
            (None, None) => return Err(ReadinessError::NobodyToAsk),
        };
        let address = ListenAddress::parse(&text);
        Ok(Oracle {
            address: address.map_err(|why| ReadinessError::Address { flag, why })?,
            path,
            auth: auth.map(|auth| BasicAuth::parse(&auth)).transpose()?,
        })
    }
}

impl WaitArgs {
    /// What to wait for. An address goes before a ready file: it tells the present state.
    pub(crate) fn resolve(self, env: &Environment) -> Result<Wait, ReadinessError> {
        let path = |flag: Option<PathBuf>, name: &str| {
            flag.or_else(|| env.first(&[name]).map(PathBuf::from))
        };
        let sign = match (self.ready.resolve(env), path(self.readyfile, "SAUCE_READYFILE")) {
            (Err(ReadinessError::NobodyToAsk), Some(file)) => Sign::File(file),
            (oracle, _) => Sign::Answer(oracle?),
        };
        let watched = match (self.pid, self.pidfile) {
            (Some(pid), _) => Watched::Process(pid),
            (None, file) => path(file, "SAUCE_PIDFILE").map_or(Watched::Nobody, Watched::File),
        };
        if matches!((&sign, &watched), (Sign::File(_), Watched::Nobody)) {
            return Err(ReadinessError::NobodyToWatch);
        }
        let limit = self.timeout.map(|text| match text.parse() {
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
            Err(_) => go_duration::parse(&text),
        });
        Ok(Wait { sign, watched, limit: limit.transpose()?.unwrap_or(WAIT) })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn wait(line: &str, env: &[(&str, &str)]) -> Result<Wait, ReadinessError> {
        let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        match Cli::parse_from(line.split(' ')).command {
            Some(Command::Wait(args)) => args.resolve(&env),
            other => panic!("{other:?}"),
        }
    }

    fn asks(wait: &Wait) -> String {
        match &wait.sign {
            Sign::Answer(oracle) => format!("{}{}", oracle.address, oracle.path),
            Sign::File(file) => file.display().to_string(),
        }
    }

    #[test]
    fn whom_to_ask_and_to_watch() {
        let api = [("SAUCE_API_ADDRESS", "unix:/tmp/a"), ("SAUCE_READYFILE", "/r")];
        for (line, env, asked, watched) in [
            ("sc wait --api-address h:1 --pid 7", &[][..], "h:1/readyz", Watched::Process(7)),
            ("sc wait --status-address :1", &api, ":1/readiness", Watched::Nobody),
            ("sc wait -d /p", &api, "unix:/tmp/a/readyz", Watched::File("/p".into())),
            ("sc wait -f /x --pid 7", &[], "/x", Watched::Process(7)),
        ] {
            let wait = wait(line, env).unwrap();
            assert_eq!((asks(&wait).as_str(), &wait.watched), (asked, &watched), "{line}");
            assert_eq!(wait.limit, WAIT);
        }
        assert_eq!(wait("sc wait -f /x", &[]), Err(ReadinessError::NobodyToWatch));
        assert_eq!(wait("sc wait --pid 7", &[]), Err(ReadinessError::NobodyToAsk));
        let timed = |text: &str| wait(&format!("sc wait --api-address h:1 --timeout {text}"), &[]);
        assert_eq!(timed("90").unwrap().limit, timed("1m30s").unwrap().limit);
        assert!(timed("soon").is_err());
    }
}
