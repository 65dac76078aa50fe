//! Keeps the access key and other passwords out of the process list.
//!
//! The arguments of a process can be read by every user of the machine. Without `unsafe` they
//! cannot be overwritten in place, so the process replaces itself, under the same process id, by
//! one whose arguments have `****` in the secret's place and whose environment has the secret. A
//! process's environment can be read by its own user only. Until the replacement, a few
//! milliseconds, the secret is visible: whoever minds uses the environment from the start.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::settings::CONCEALED;

/// An option whose value is a secret, or may hold one.
struct Secret {
    long: &'static str,
    /// With its dash; empty if there is none.
    short: &'static str,
    /// Where the value is moved to.
    variable: &'static str,
    holds: Holds,
}

/// What of the option's value is secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// All of it.
    Secret,
    /// All of it, and what is given again comes to it.
    List,
    /// All of it, and what is given again comes to it on another line.
    Lines,
    /// User and password before an `@`, if there is one.
    UserInfo,
}

impl Secret {
    const fn new(
        long: &'static str,
        short: &'static str,
        variable: &'static str,
        holds: Holds,
    ) -> Self {
        Self { long, short, variable, holds }
    }

    fn is_in(&self, value: &str) -> bool {
        match self.holds {
            Holds::Secret | Holds::List | Holds::Lines => true,
            Holds::UserInfo => value.contains('@') || value == CONCEALED,
        }
    }
}

const V4: &[Secret] = &[
    Secret::new("--api-key", "-k", "SAUCE_ACCESS_KEY", Holds::Secret),
    Secret::new("--proxy", "-p", "SAUCE_PROXY", Holds::UserInfo),
    Secret::new("--proxy-userpwd", "-w", "SAUCE_PROXY_USERPWD", Holds::Secret),
    Secret::new("--pac-auth", "", "SAUCE_PAC_AUTH", Holds::List),
    Secret::new("--auth", "-a", "SAUCE_AUTH", Holds::List),
    Secret::new("--api-basic-auth", "", "SAUCE_API_BASIC_AUTH", Holds::Secret),
];
const V5: &[Secret] = &[
    Secret::new("--access-key", "-k", "SAUCE_ACCESS_KEY", Holds::Secret),
    Secret::new("--proxy", "-x", "SAUCE_PROXY", Holds::UserInfo),
    Secret::new("--proxy-sauce", "", "SAUCE_PROXY_SAUCE", Holds::UserInfo),
    Secret::new("--auth", "-a", "SAUCE_AUTH", Holds::List),
    Secret::new("--header", "-H", "SAUCE_HEADER", Holds::Lines),
    Secret::new("--api-basic-auth", "", "SAUCE_API_BASIC_AUTH", Holds::Secret),
];

/// Arguments with the secrets taken out.
#[derive(Debug, PartialEq, Eq)]
struct Concealed {
    args: Vec<OsString>,
    /// The secrets, by the variables that they are moved to.
    secrets: BTreeMap<&'static str, String>,
}

/// Replaces the process if its arguments hold a secret. Returns if they do not, or if
/// replacing failed, which is no reason not to work.
#[cfg(unix)]
pub(crate) fn conceal_secrets() {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    let args: Vec<OsString> = std::env::args_os().collect();
    let Some(Concealed { args, secrets }) = conceal(&args) else {
        return;
    };
    let Some((name, rest)) = args.split_first() else {
        return;
    };
    let error = match std::env::current_exe() {
        Ok(program) => Command::new(program).arg0(name).args(rest).envs(&secrets).exec(),
        Err(error) => error,
    };
    let variables: Vec<_> = secrets.into_keys().collect();
    log::warn!(
        "secrets stay visible in the process list ({error}); give them by {} instead",
        variables.join(", ")
    );
}

/// Other systems do not show arguments to other users, or have no way to replace a process.
#[cfg(not(unix))]
pub(crate) fn conceal_secrets() {}

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
    let is_v5 = args.get(1).is_some_and(|command| command == "run");
    let secrets_of = if is_v5 { V5 } else { V4 };
    let mut secrets: BTreeMap<&str, String> = BTreeMap::new();
    let mut blot = |secret: &Secret, value: &str| {
        if !secret.is_in(value) {
            return value.to_owned();
        }
        if value != CONCEALED && !value.is_empty() {
            match secrets.get_mut(secret.variable) {
                Some(before) if secret.holds == Holds::List => {
                    *before = format!("{before},{value}")
                }
                Some(before) if secret.holds == Holds::Lines => {
                    *before = format!("{before}\n{value}")
                }
                _ => drop(secrets.insert(secret.variable, value.to_owned())),
            }
        }
        CONCEALED.to_owned()
    };
    let mut shown: Vec<OsString> = Vec::with_capacity(args.len());
    let mut value_of: Option<&Secret> = None;
    for given in args {
        let Some(arg) = given.to_str() else {
            shown.push(given.clone());
            value_of = None;
            continue;
        };
        if let Some(secret) = value_of.take() {
            shown.push(blot(secret, arg).into());
            continue;
        }
        value_of = secrets_of.iter().find(|secret| arg == secret.long || is_short(secret, arg));
        if value_of.is_some() {
            shown.push(given.clone());
            continue;
        }
        let attached = secrets_of.iter().find_map(|secret| {
            let (flag, value) = split_attached(secret, arg)?;
            Some((secret, flag, value))
        });
        shown.push(match attached {
            Some((secret, flag, value)) => format!("{flag}{}", blot(secret, value)).into(),
            None => given.clone(),
        });
    }
    (!secrets.is_empty()).then_some(Concealed { args: shown, secrets })
}

fn is_short(secret: &Secret, arg: &str) -> bool {
    !secret.short.is_empty() && arg == secret.short
}

/// The option and the value of `--option=VALUE`, `-o=VALUE` or `-oVALUE`.
fn split_attached<'a>(secret: &Secret, arg: &'a str) -> Option<(&'a str, &'a str)> {
    let at = match arg.strip_prefix(secret.long) {
        Some(rest) if rest.starts_with('=') => secret.long.len() + 1,
        _ if secret.short.is_empty() || !arg.starts_with(secret.short) => return None,
        _ if arg[secret.short.len()..].starts_with('=') => secret.short.len() + 1,
        _ => secret.short.len(),
    };
    arg.split_at_checked(at)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(concealed.secrets, BTreeMap::from([(variable, secret.to_owned())]));
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
            "sc -p h:1 --proxy-tunnel",
            "sc run -x http://h:1 -p u@pac",
            "sc -x http://h/",
        ] {
            assert_eq!(conceal(&args(given)), None, "{given}");
        }
    }
}
