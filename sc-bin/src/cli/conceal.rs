//! Keeps the access key out of the process list.
//!
//! The arguments of a process can be read by every user of the machine. Without `unsafe` they
//! cannot be overwritten in place, so the process replaces itself, under the same process id, by
//! one whose arguments have `****` in the key's place and whose environment has the key. A
//! process's environment can be read by its own user only. Until the replacement, a few
//! milliseconds, the key is visible: whoever minds uses the environment from the start.

use std::ffi::OsString;

use super::settings::CONCEALED;

/// Where the key is moved to.
const VARIABLE: &str = "SAUCE_ACCESS_KEY";

/// Arguments with the key taken out.
#[derive(Debug, PartialEq, Eq)]
struct Concealed {
    args: Vec<OsString>,
    key: String,
}

/// Replaces the process if its arguments hold an access key. Returns if they do not, or if
/// replacing failed, which is no reason not to work.
#[cfg(unix)]
pub(crate) fn conceal_key() {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    let args: Vec<OsString> = std::env::args_os().collect();
    let Some(Concealed { args, key }) = conceal(&args) else {
        return;
    };
    let Some((name, rest)) = args.split_first() else {
        return;
    };
    let error = match std::env::current_exe() {
        Ok(program) => Command::new(program).arg0(name).args(rest).env(VARIABLE, key).exec(),
        Err(error) => error,
    };
    log::warn!(
        "the access key stays visible in the process list ({error}); give it by {VARIABLE} instead"
    );
}

/// Other systems do not show arguments to other users, or have no way to replace a process.
#[cfg(not(unix))]
pub(crate) fn conceal_key() {}

/// The process's arguments as one string to be shown and stored, without the key.
pub(crate) fn shown_args() -> String {
    let args: Vec<OsString> = std::env::args_os().collect();
    let args = conceal(&args).map_or(args, |concealed| concealed.args);
    let shown = args.iter().skip(1).map(|arg| arg.to_string_lossy());
    shown.collect::<Vec<_>>().join(" ")
}

/// Takes the last key out of `args` and blots out all; `None` if there is none.
///
/// An argument that is not UTF-8, as a file's name may be, holds no key.
fn conceal(args: &[OsString]) -> Option<Concealed> {
    let mut key = None;
    let mut blot = |text: &str| {
        if text != CONCEALED && !text.is_empty() {
            key = Some(text.to_owned());
        }
        CONCEALED
    };
    let mut shown = Vec::with_capacity(args.len());
    let mut value_follows = false;
    for given in args {
        let Some(arg) = given.to_str() else {
            shown.push(given.clone());
            value_follows = false;
            continue;
        };
        if value_follows {
            value_follows = false;
            shown.push(blot(arg).into());
            continue;
        }
        value_follows = ["-k", "--api-key", "--access-key"].contains(&arg);
        let with_value = ["--api-key=", "--access-key=", "-k=", "-k"]
            .into_iter()
            .find_map(|flag| Some((flag, arg.strip_prefix(flag)?)));
        match with_value {
            Some((flag, value)) if !value_follows => {
                shown.push(format!("{flag}{}", blot(value)).into());
            }
            _ => shown.push(given.clone()),
        }
    }
    key.map(|key| Concealed { args: shown, key })
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
            assert_eq!(concealed.key, "SECRET", "{given}");
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
        assert_eq!(concealed.key, "SECRET");
    }

    #[test]
    fn nothing_to_take_out() {
        for given in ["sc", "sc -u k", "sc -ublack x", "sc run -k ****", "sc --api-key"] {
            assert_eq!(conceal(&args(given)), None, "{given}");
        }
    }
}
