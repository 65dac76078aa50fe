//! The table as clap takes it, and what clap found.

use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use super::{Effect, Kind, Row, lettered, named, sections};
use crate::cli::settings::Dialect;

/// What the command line gave, as it was given. Its `Debug` form shows no values: secrets may be
/// among them.
#[derive(Clone)]
pub(crate) struct Given {
    /// In whose words.
    pub(crate) dialect: Dialect,
    /// Options and their values.
    pub(crate) values: Vec<(&'static Row, Vec<OsString>)>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.iter().map(|(row, _)| row.long);
        write!(f, "{:?}", self.dialect)?;
        f.debug_list().entries(names).finish()
    }
}

/// Which options a command has.
pub(crate) trait Version {
    /// Those of this version.
    const DIALECT: Dialect;
    /// And these.
    fn more(command: Command) -> Command {
        command
    }
}

/// The options of a version, for clap.
#[derive(Debug)]
pub(crate) struct TunnelArgs<V> {
    /// What was given of them.
    pub(crate) given: Given,
    /// What to do with them.
    pub(crate) purpose: Purpose,
    version: PhantomData<V>,
}

/// What the options of a tunnel are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To start it.
    Start,
    /// To be listed in a configuration file.
    #[cfg(feature = "config")]
    Template,
    /// To be written there as version 5 takes them.
    #[cfg(feature = "config")]
    Convert(std::path::PathBuf),
}

/// Bare `sc …`.
#[derive(Debug)]
pub(crate) struct Bare;
/// `sc legacy …`.
#[derive(Debug)]
pub(crate) struct Legacy;
/// `sc run …`.
#[derive(Debug)]
pub(crate) struct Run;
/// `sc doctor …`.
#[cfg(feature = "operations")]
#[derive(Debug)]
pub(crate) struct Checked;
/// The options of `sc doctor`.
#[cfg(feature = "operations")]
pub(crate) type CheckedArgs = TunnelArgs<Checked>;
/// The options of bare `sc`.
pub(crate) type V4Args = TunnelArgs<Bare>;
/// The options of `sc legacy`.
pub(crate) type LegacyArgs = TunnelArgs<Legacy>;
/// The options of `sc run`.
pub(crate) type V5Args = TunnelArgs<Run>;

/// The command that prints a configuration file.
#[cfg(feature = "config")]
const TEMPLATE: &str = "config-file";
/// The option that only `sc legacy` has.
#[cfg(feature = "config")]
const CONVERTED: &str = "output-config-file";

#[cfg(feature = "operations")]
impl Version for Checked {
    const DIALECT: Dialect = Dialect::V5;
}

impl Version for Bare {
    const DIALECT: Dialect = Dialect::V4;
}

impl Version for Legacy {
    const DIALECT: Dialect = Dialect::V4;
    #[cfg(feature = "config")]
    fn more(command: Command) -> Command {
        let converted = Arg::new(CONVERTED)
            .long(CONVERTED)
            .value_name("FILE")
            .value_parser(clap::value_parser!(OsString))
            .help("Write the same options there as version 5 takes them, and start nothing");
        with_template(command).arg(converted)
    }
}

impl Version for Run {
    const DIALECT: Dialect = Dialect::V5;
    #[cfg(feature = "config")]
    fn more(command: Command) -> Command {
        with_template(command)
    }
}

#[cfg(feature = "config")]
fn with_template(command: Command) -> Command {
    let about = "Print a configuration file with every option, commented";
    command.args_conflicts_with_subcommands(true).subcommand(Command::new(TEMPLATE).about(about))
}

impl<V: Version> Args for TunnelArgs<V> {
    fn augment_args(command: Command) -> Command {
        let mut command = V::more(command);
        for section in sections(V::DIALECT) {
            command = command.next_help_heading(section.title);
            command = command.args(section.rows.iter().map(argument));
        }
        command.next_help_heading(None::<&str>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<V: Version> FromArgMatches for TunnelArgs<V> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let values = super::rows(V::DIALECT).filter_map(|row| {
            let raw = matches.get_raw(row.long)?;
            Some((row, raw.map(ToOwned::to_owned).collect()))
        });
        Ok(Self {
            given: Given { dialect: V::DIALECT, values: values.collect() },
            purpose: purpose(matches),
            version: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(feature = "config")]
fn purpose(matches: &ArgMatches) -> Purpose {
    // The option is there for one version only.
    match matches.try_get_one::<OsString>(CONVERTED).ok().flatten() {
        Some(path) => Purpose::Convert(path.into()),
        None if matches.subcommand_name() == Some(TEMPLATE) => Purpose::Template,
        None => Purpose::Start,
    }
}

#[cfg(not(feature = "config"))]
fn purpose(_: &ArgMatches) -> Purpose {
    Purpose::Start
}

/// An option for clap. Which of several values counts is decided later, for all sources alike.
fn argument(row: &'static Row) -> Arg {
    let arg = Arg::new(row.long)
        .long(row.long)
        .aliases(row.aliases)
        .help(help(row))
        .action(ArgAction::Append)
        .value_parser(match row.kind {
            Kind::Path => ValueParser::os_string(),
            Kind::Choice(words) => PossibleValuesParser::new(words).into(),
            _ => ValueParser::string(),
        });
    let arg = match row.short {
        Some(letter) => arg.short(letter),
        None => arg,
    };
    match row.kind {
        Kind::Switch | Kind::Count => {
            let alone = if row.kind == Kind::Count { "1" } else { "true" };
            let name = match row.kind {
                _ if !row.value.is_empty() => row.value,
                Kind::Count => "N",
                _ => "BOOL",
            };
            arg.value_name(name).num_args(0..=1).require_equals(true).default_missing_value(alone)
        }
        Kind::Rules | Kind::Lines => arg.value_name(row.value).allow_hyphen_values(true),
        _ => arg.value_name(row.value),
    }
}

/// The help of an option, with its default and its variables.
fn help(row: &Row) -> String {
    let mut text = row.help.to_owned();
    match row.effect {
        Effect::Works => {}
        Effect::Nothing(_) => text.push_str(" (no effect)"),
        Effect::Refused(_) => text.push_str(" (refused)"),
    }
    if !row.default.is_empty() {
        text.push_str(&format!(" [default: {}]", row.default));
    }
    text.push_str(&format!(" [env: {}]", row.variables().join(", ")));
    text
}

/// What to say of a flag of the other version, if that is what clap did not understand.
pub(crate) fn misunderstood(error: &Error, dialect: Dialect) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    let (other, this_command, other_command, number) = match dialect {
        Dialect::V4 => (Dialect::V5, "bare `sc`", "`sc run`", 5),
        Dialect::V5 => (Dialect::V4, "`sc run`", "bare `sc` or `sc legacy`", 4),
    };
    let row = match flag.strip_prefix("--") {
        Some(long) => named(other, long),
        None => lettered(other, flag.strip_prefix('-')?.chars().next()?),
    }?;
    let shown = match row.short {
        Some(letter) if !flag.starts_with("--") => format!("-{letter} (--{})", row.long),
        _ => format!("--{}", row.long),
    };
    let form = match form_of(row, dialect) {
        Some(form) => format!("{this_command} takes --{form} instead"),
        None => format!("{this_command} has nothing in its place"),
    };
    Some(format!(
        "{shown} is an option of version {number}: {form}. Options of version {number} are for \
         {other_command}."
    ))
}

/// What a version says for an option that only the other version has by this name.
#[cfg_attr(not(feature = "config"), allow(dead_code))]
pub(crate) fn other_form(name: &str, dialect: Dialect) -> Option<&'static str> {
    let other = match dialect {
        Dialect::V4 => Dialect::V5,
        Dialect::V5 => Dialect::V4,
    };
    form_of(named(other, name)?, dialect)
}

/// What a version says for an option of the other one.
fn form_of(row: &Row, dialect: Dialect) -> Option<&'static str> {
    if !row.successor.is_empty() && dialect == Dialect::V5 {
        return Some(row.successor);
    }
    let mut rows = super::rows(dialect);
    let found = rows
        .find(|other| other.id == row.id || other.successor.split(' ').next() == Some(row.long));
    found.map(|other| other.long)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::Cli;

    fn told(line: &str, dialect: Dialect) -> Option<String> {
        misunderstood(&Cli::try_parse_from(line.split(' ')).unwrap_err(), dialect)
    }

    #[test]
    fn an_option_of_the_other_version_is_named() {
        for (line, form) in [
            ("sc run --api-key K", "--access-key"),
            ("sc run --user=anna", "--username"),
            ("sc run --shared-tunnel", "--shared all"),
            ("sc run --no-ssl-bump-domains all", "--tls-passthrough-domains"),
            ("sc run --fast-fail-regexps x", "--deny-domains"),
            ("sc run -w u:p", "--auth"),
            ("sc run --verbose", "--log-level"),
            ("sc run --scproxy-port 1", "--debug-address"),
            ("sc run --dns 10.0.0.1", "--dns-server"),
            ("sc run --logfile x", "--log-file"),
            ("sc run --tunnel-identifier x", "--tunnel-name"),
        ] {
            let text = told(line, Dialect::V5).unwrap();
            assert!(text.contains(&format!("`sc run` takes {form} instead")), "{line}: {text}");
        }
        for (line, form) in [
            ("sc --access-key K", "--api-key"),
            ("sc --username=anna", "--user"),
            ("sc --shared all", "--shared-tunnel"),
            ("sc --deny-domains x", "--fast-fail-regexps"),
            ("sc -n 10.0.0.1", "--dns"),
            ("sc --log-file x", "--logfile"),
            ("sc --proxy-sauce p:1", "--proxy-tunnel"),
        ] {
            let text = told(line, Dialect::V4).unwrap();
            assert!(text.contains(&format!("takes {form} instead")), "{line}: {text}");
            assert!(text.contains("version 5"), "{text}");
        }
        let text = told("sc run --se-port 4445", Dialect::V5).unwrap();
        assert!(text.contains("nothing in its place") && text.contains("legacy"), "{text}");
        assert_eq!(told("sc run --acess-key x", Dialect::V5), None);
    }

    #[test]
    fn an_unknown_flag_names_the_nearest() {
        for (line, nearest) in [
            ("sc run --acess-key x", "--access-key"),
            ("sc --tunel-name x", "--tunnel-name"),
            ("sc legacy --readyfil x", "--readyfile"),
        ] {
            let text = Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
            assert!(text.contains(nearest), "{line}: {text}");
        }
    }

    #[test]
    fn letters_mean_what_each_version_says() {
        let given = |line: &str| -> Vec<(&str, String)> {
            let cli = Cli::parse_from(line.split(' '));
            let given = cli.tunnel().unwrap();
            let text = |values: Vec<OsString>| values.join(",".as_ref()).into_string().unwrap();
            given.values.into_iter().map(|(row, values)| (row.long, text(values))).collect()
        };
        assert_eq!(
            given("sc -svv -TN -x u -t a,b"),
            [
                ("rest-url", "u"),
                ("shared-tunnel", "true"),
                ("tunnel-domains", "a,b"),
                ("no-proxy-caching", "true"),
                ("proxy-tunnel", "true"),
                ("verbose", "1,1"),
            ]
            .map(|(name, value)| (name, value.to_owned()))
        );
        assert_eq!(
            given("sc run -t -s all -x h:1 -p pac -T -^a -M k=v"),
            [
                ("tunnel-pool", "true"),
                ("shared", "all"),
                ("metadata", "k=v"),
                ("tunnel-domains", "-^a"),
                ("proxy", "h:1"),
                ("pac", "pac"),
            ]
            .map(|(name, value)| (name, value.to_owned()))
        );
    }
}
