//! Keeps the access key out of the process list.
//!
//! The arguments of a process can be read by every user of the machine. Without `unsafe` they
//! cannot be overwritten in place, so the process replaces itself, under the same process id, by
//! one whose arguments have `****` in the key's place and whose environment has the key. A
//! process's environment can be read by its own user only. Until the replacement, a few
//! milliseconds, the key is visible: whoever minds uses the environment from the start.

use super::settings::CONCEALED;

/// Where the key is moved to.
const VARIABLE: &str = "SAUCE_ACCESS_KEY";

/// Arguments with the key taken out.
#[derive(Debug, PartialEq, Eq)]
struct Concealed {
    args: Vec<String>,
    key: String,
}

/// Replaces the process if its arguments hold an access key. Returns if they do not, or if
/// replacing failed, which is no reason not to work.
#[cfg(unix)]
pub(crate) fn conceal_key() {
    use std::os::unix::process::CommandExt as _;

    let Ok(args) = std::env::args_os().map(|arg| arg.into_string()).collect::<Result<Vec<_>, _>>()
    else {
        return;
    };
    let Some(Concealed { args, key }) = conceal(&args) else {
        return;
    };
    let Some((name, rest)) = args.split_first() else {
        return;
    };
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let error = std::process::Command::new(program).arg0(name).args(rest).env(VARIABLE, key).exec();
    log::warn!("the access key stays visible in the process list: {error}");
}

/// Other systems do not show arguments to other users, or have no way to replace a process.
#[cfg(not(unix))]
pub(crate) fn conceal_key() {}

/// The process's arguments as one string to be shown and stored, without the key.
pub(crate) fn shown_args() -> String {
    let args: Vec<String> =
        std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let args = conceal(&args).map_or(args, |concealed| concealed.args);
    args.get(1..).unwrap_or_default().join(" ")
}

/// Takes the last key out of `args` and blots out all; `None` if there is none.
fn conceal(args: &[String]) -> Option<Concealed> {
    let mut key = None;
    let mut blot = |text: &str| {
        if text != CONCEALED && !text.is_empty() {
            key = Some(text.to_owned());
        }
        CONCEALED
    };
    let mut shown = Vec::with_capacity(args.len());
    let mut value_follows = false;
    for arg in args {
        if value_follows {
            value_follows = false;
            shown.push(blot(arg).to_owned());
            continue;
        }
        value_follows = ["-k", "--api-key", "--access-key"].contains(&arg.as_str());
        let with_value = ["--api-key=", "--access-key=", "-k=", "-k"]
            .into_iter()
            .find_map(|flag| Some((flag, arg.strip_prefix(flag)?)));
        match with_value {
            Some((flag, value)) if !value_follows => shown.push(format!("{flag}{}", blot(value))),
            _ => shown.push(arg.clone()),
        }
    }
    key.map(|key| Concealed { args: shown, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
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
            assert_eq!(concealed.args.join(" "), shown);
            assert_eq!(concealed.key, "SECRET", "{given}");
        }
    }

    #[test]
    fn nothing_to_take_out() {
        for given in ["sc", "sc -u k", "sc -ublack x", "sc run -k ****", "sc --api-key"] {
            assert_eq!(conceal(&args(given)), None, "{given}");
        }
    }
}
