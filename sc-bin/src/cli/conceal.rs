//! Keeps the access key and other passwords out of the process list.
//!
//! The arguments of a process can be read by every user of the machine. Without `unsafe` they
//! cannot be overwritten in place, so the process replaces itself, under the same process id, by
//! one whose arguments have `****` in the secret's place and whose environment has the secret. A
//! process's environment can be read by its own user only. Until the replacement, a few
//! milliseconds, the secret is visible: whoever minds uses the environment from the start.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::settings::{CONCEALED, Dialect};
use super::table::{self, Row, Secrecy};

/// Arguments with the secrets taken out.
#[derive(Debug, PartialEq, Eq)]
struct Concealed {
    args: Vec<OsString>,
    /// The secrets, by the variables that they are moved to.
    secrets: BTreeMap<String, String>,
}

/// Replaces the process if its arguments hold a secret. Returns if they do not, or if
/// replacing failed, which is no reason not to work: with what to tell then.
#[cfg(unix)]
pub(crate) fn conceal_secrets() -> Option<String> {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    let args: Vec<OsString> = std::env::args_os().collect();
    let Concealed { args, secrets } = conceal(&args)?;
    let (name, rest) = args.split_first()?;
    let error = match std::env::current_exe() {
        Ok(program) => Command::new(program).arg0(name).args(rest).envs(&secrets).exec(),
        Err(error) => error,
    };
    let variables: Vec<_> = secrets.into_keys().collect();
    Some(format!(
        "Warning: secrets stay visible in the process list ({error}); give them by {} instead",
        variables.join(", ")
    ))
}

/// Other systems do not show arguments to other users, or have no way to replace a process.
#[cfg(not(unix))]
pub(crate) fn conceal_secrets() -> Option<String> {
    None
}

/// The process's arguments as one string to be shown and stored, without secrets.
pub(crate) fn shown_args() -> String {
    shown_arg_list().get(1..).unwrap_or_default().join(" ")
}

/// The process's arguments to be shown, its name first, without secrets.
pub(crate) fn shown_arg_list() -> Vec<String> {
    let args: Vec<OsString> = std::env::args_os().collect();
    let args = conceal(&args).map_or(args, |concealed| concealed.args);
    args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect()
}

/// Takes the last of each secret out of `args` and blots out all; `None` if there is none.
///
/// An argument that is not UTF-8, as a file's name may be, holds no secret.
fn conceal(args: &[OsString]) -> Option<Concealed> {
    // Commands that are no version's have version 5's names of options.
    let dialect = table::dialect_of(args.get(1).map(OsString::as_os_str)).unwrap_or(Dialect::V5);
    let mut secrets: BTreeMap<String, String> = BTreeMap::new();
    let mut shown: Vec<OsString> = Vec::with_capacity(args.len());
    let mut value_of: Option<&Row> = None;
    for given in args {
        let Some(arg) = given.to_str() else {
            shown.push(given.clone());
            value_of = None;
            continue;
        };
        if let Some(row) = value_of.take() {
            shown.push(blot(row, arg, &mut secrets).into());
            continue;
        }
        shown.push(match secret_in(dialect, arg) {
            Some((row, None)) => {
                value_of = Some(row);
                given.clone()
            }
            Some((row, Some(value))) => {
                let flag = arg.strip_suffix(value).unwrap_or_default();
                format!("{flag}{}", blot(row, value, &mut secrets)).into()
            }
            None => given.clone(),
        });
    }
    (!secrets.is_empty()).then_some(Concealed { args: shown, secrets })
}

/// What is shown of a value, the value itself being kept.
fn blot(row: &Row, value: &str, secrets: &mut BTreeMap<String, String>) -> String {
    let is_secret = row.secrecy == Secrecy::Secret || value.contains('@') || value == CONCEALED;
    if !is_secret {
        return value.to_owned();
    }
    if value != CONCEALED && !value.is_empty() {
        let name = row.variables().into_iter().next().unwrap_or_default();
        match (secrets.get_mut(&name), row.separator()) {
            (Some(before), Some(separator)) => *before = format!("{before}{separator}{value}"),
            _ => drop(secrets.insert(name, value.to_owned())),
        }
    }
    CONCEALED.to_owned()
}

/// The option with a secret that an argument names, and the value if it is in the same argument:
/// `--option`, `--option=VALUE`, `-o`, `-o=VALUE`, `-oVALUE`, the last three also after letters
/// that stand alone.
fn secret_in(dialect: Dialect, arg: &str) -> Option<(&'static Row, Option<&str>)> {
    let is_secret = |row: &&Row| row.secrecy != Secrecy::Open;
    if let Some(long) = arg.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        return table::named(dialect, name).filter(is_secret).map(|row| (row, value));
    }
    let letters = arg.strip_prefix('-')?;
    for (at, letter) in letters.char_indices() {
        let row = table::lettered(dialect, letter)?;
        if !row.is_alone() {
            let rest = letters.get(at + letter.len_utf8()..)?;
            let value = Some(rest).filter(|rest| !rest.is_empty());
            let value = value.map(|value| value.strip_prefix('=').unwrap_or(value));
            return Some((row, value)).filter(|(row, _)| is_secret(row));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::values::Values;

    fn args(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn every_spelling_of_the_key_is_taken_out() {
        for (given, shown) in [
            ("sc -u anna -k SECRET -i x", "sc -u anna -k **** -i x"),
            ("sc -kSECRET", "sc -k****"),
            ("sc -k=SECRET", "sc -k=****"),
            ("sc --api-key SECRET", "sc --api-key ****"),
            ("sc --api-key=SECRET -u a", "sc --api-key=**** -u a"),
            ("sc run --access-key SECRET", "sc run --access-key ****"),
            ("sc run --access-key=SECRET", "sc run --access-key=****"),
            ("sc -k OLD -k SECRET", "sc -k **** -k ****"),
        ] {
            let concealed = conceal(&args(given)).unwrap();
            assert_eq!(concealed.args, args(shown));
            assert_eq!(concealed.secrets["SAUCE_ACCESS_KEY"], "SECRET", "{given}");
        }
    }

    /// Every option that the table marks, in every spelling; and the value is still read.
    #[test]
    fn no_secret_of_the_table_stays_and_none_is_lost() {
        for (dialect, command) in [(Dialect::V4, "sc"), (Dialect::V5, "sc run")] {
            for row in table::rows(dialect).filter(|row| row.secrecy != Secrecy::Open) {
                let long = format!("--{}", row.long);
                let mut forms =
                    vec![format!("{long} u:SECRET@h:1"), format!("{long}=u:SECRET@h:1")];
                if let Some(letter) = row.short {
                    let alone = if dialect == Dialect::V4 { 's' } else { 't' };
                    forms.push(format!("-{letter} u:SECRET@h:1"));
                    forms.push(format!("-{letter}u:SECRET@h:1"));
                    forms.push(format!("-{alone}{letter}=u:SECRET@h:1"));
                }
                for form in forms {
                    let line = format!("{command} {form}");
                    let Concealed { args, secrets } = conceal(&args(&line)).unwrap();
                    let words: Vec<_> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
                    assert!(!words.concat().contains("SECRET"), "{line}: {words:?}");
                    let moved: Vec<_> = secrets
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.as_str()))
                        .collect();
                    let (kept, given) =
                        (Values::of_words(&words, &moved), Values::of_line(&line, &[]));
                    assert_eq!(kept.items(row.id), given.items(row.id), "{line}");
                    assert_eq!(kept.origin(row.id), given.origin(row.id), "{line}");
                }
            }
        }
        let ready = conceal(&args("sc ready --api-basic-auth u:SECRET")).unwrap();
        assert_eq!(ready.args, args("sc ready --api-basic-auth ****"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_an_odd_name_does_not_uncover_the_key() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = OsString::from_vec(b"/ca-\xff.pem".to_vec());
        let mut given = args("sc --cainfo");
        given.push(odd.clone());
        given.extend(args("-k SECRET"));
        let concealed = conceal(&given).unwrap();
        assert_eq!(concealed.args[2..], [odd, "-k".into(), CONCEALED.into()]);
        assert_eq!(concealed.secrets["SAUCE_ACCESS_KEY"], "SECRET");
    }

    #[test]
    fn passwords_of_proxies_are_taken_out_and_plain_proxies_stay() {
        for (given, shown, variable, secret) in [
            ("sc -p u:p@h:1", "sc -p ****", "SAUCE_PROXY", "u:p@h:1"),
            ("sc --proxy=u:p@h:1 -k ****", "sc --proxy=**** -k ****", "SAUCE_PROXY", "u:p@h:1"),
            ("sc -p h:1 -w u:p", "sc -p h:1 -w ****", "SAUCE_PROXY_USERPWD", "u:p"),
            (
                "sc --pac-auth u:p@a:1 --pac-auth=v:q@b:1",
                "sc --pac-auth **** --pac-auth=****",
                "SAUCE_PAC_AUTH",
                "u:p@a:1,v:q@b:1",
            ),
            ("sc --proxy-userpwd=u:p", "sc --proxy-userpwd=****", "SAUCE_PROXY_USERPWD", "u:p"),
            ("sc run -xu@h:1", "sc run -x****", "SAUCE_PROXY", "u@h:1"),
            (
                "sc run --proxy-sauce u@h:1",
                "sc run --proxy-sauce ****",
                "SAUCE_PROXY_SAUCE",
                "u@h:1",
            ),
        ] {
            let concealed = conceal(&args(given)).unwrap();
            assert_eq!(concealed.args, args(shown));
            assert_eq!(
                concealed.secrets,
                BTreeMap::from([(variable.to_owned(), secret.to_owned())])
            );
        }
        let both = conceal(&args("sc run -k K --proxy u@h:1")).unwrap();
        assert_eq!(both.args, args("sc run -k **** --proxy ****"));
        assert_eq!(both.secrets.len(), 2);
    }

    #[test]
    fn nothing_to_take_out() {
        for given in [
            "sc",
            "sc -u k",
            "sc -ublack x",
            "sc run -k ****",
            "sc --api-key",
            "sc --api-key= -u anna",
            "sc -p h:1 --proxy-tunnel",
            "sc run -x http://h:1 -p u@pac",
            "sc -x http://h/",
        ] {
            assert_eq!(conceal(&args(given)), None, "{given}");
        }
    }
}
