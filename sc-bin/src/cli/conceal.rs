//! Keeps secrets out of the process list.
//!
//! The arguments of a process can be read by every user of the machine. Without `unsafe` they
//! cannot be overwritten in place, so the process replaces itself, under the same process id, by
//! one whose arguments have `****` in a secret's place and whose environment has the secret. A
//! process's environment can be read by its own user only. Until the replacement, a few
//! milliseconds, the secret is visible: whoever minds uses the environment from the start.

use std::ffi::OsString;

use super::settings::CONCEALED;

/// An option whose value is a secret.
struct Secret {
    /// Its spellings. A short one may have its value attached.
    flags: &'static [&'static str],
    /// Where the value is moved to.
    variable: &'static str,
}

const SECRETS: [Secret; 2] = [
    Secret { flags: &["-k", "--api-key", "--access-key"], variable: "SAUCE_ACCESS_KEY" },
    Secret { flags: &["--api-basic-auth"], variable: "SAUCE_API_BASIC_AUTH" },
];

/// Arguments with the secrets taken out.
#[derive(Debug, PartialEq, Eq)]
struct Concealed {
    args: Vec<OsString>,
    /// The variables that hold them now.
    variables: Vec<(&'static str, String)>,
}

/// Replaces the process if its arguments hold a secret. Returns if they do not, or if
/// replacing failed, which is no reason not to work.
#[cfg(unix)]
pub(crate) fn conceal_secrets() {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    let args: Vec<OsString> = std::env::args_os().collect();
    let Some(Concealed { args, variables }) = conceal(&args) else {
        return;
    };
    let Some((name, rest)) = args.split_first() else {
        return;
    };
    let error = match std::env::current_exe() {
        Ok(program) => Command::new(program).arg0(name).args(rest).envs(variables).exec(),
        Err(error) => error,
    };
    log::warn!(
        "secrets stay visible in the process list ({error}); give them by the environment instead"
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

/// Takes the last value of each secret out of `args` and blots out all; `None` if there is none.
///
/// An argument that is not UTF-8, as a file's name may be, holds no secret.
fn conceal(args: &[OsString]) -> Option<Concealed> {
    let mut variables: Vec<(&'static str, String)> = Vec::new();
    let mut blot = |secret: &Secret, text: &str| {
        if text != CONCEALED && !text.is_empty() {
            variables.retain(|(variable, _)| *variable != secret.variable);
            variables.push((secret.variable, text.to_owned()));
        }
        CONCEALED
    };
    let mut shown = Vec::with_capacity(args.len());
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
        value_of = SECRETS.iter().find(|secret| secret.flags.contains(&arg));
        match attached(arg) {
            Some((secret, flag, value)) if value_of.is_none() => {
                shown.push(format!("{flag}{}", blot(secret, value)).into());
            }
            _ => shown.push(given.clone()),
        }
    }
    (!variables.is_empty()).then_some(Concealed { args: shown, variables })
}

/// The secret in an argument that has it with its flag: `--flag=value`, `-f=value`, `-fvalue`.
fn attached(arg: &str) -> Option<(&'static Secret, &str, &str)> {
    SECRETS.iter().find_map(|secret| {
        secret.flags.iter().find_map(|flag| {
            let rest = arg.strip_prefix(flag)?;
            let value = match rest.strip_prefix('=') {
                Some(value) => value,
                None if flag.starts_with("--") => return None,
                None => rest,
            };
            Some((secret, arg.strip_suffix(value)?, value))
        })
    })
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
            assert_eq!(concealed.variables, [("SAUCE_ACCESS_KEY", "SECRET".to_owned())], "{given}");
        }
    }

    #[test]
    fn several_secrets_are_told_apart() {
        let given = args("sc run --api-basic-auth=A:1 -k K --api-basic-auth B:2 -i n");
        let concealed = conceal(&given).unwrap();
        assert_eq!(
            concealed.args,
            args("sc run --api-basic-auth=**** -k **** --api-basic-auth **** -i n")
        );
        let variables = [("SAUCE_ACCESS_KEY", "K"), ("SAUCE_API_BASIC_AUTH", "B:2")];
        assert_eq!(concealed.variables, variables.map(|(name, value)| (name, value.to_owned())));
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
        assert_eq!(concealed.variables, [("SAUCE_ACCESS_KEY", "SECRET".to_owned())]);
    }

    #[test]
    fn nothing_to_take_out() {
        for given in ["sc", "sc -u k", "sc -ublack x", "sc run -k ****", "sc --api-key"] {
            assert_eq!(conceal(&args(given)), None, "{given}");
        }
    }
}
