//! Keeps the password of the database's URL out of the process list.
//!
//! As for the client's secrets (`cli/conceal.rs`), the process replaces itself by one whose
//! arguments have `****` in the URL's place and whose environment has the URL.

use std::ffi::OsString;

use super::registry::DatabaseUrl;

/// What stands in the place of the URL.
pub(super) const CONCEALED: &str = "****";

/// The option whose value is taken out.
const OPTION: &str = "--database";

/// Replaces the process if its arguments hold the URL. Returns if they do not, or if replacing
/// failed, which is no reason not to work.
#[cfg(unix)]
pub(super) fn conceal_database() {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    let Some((args, url)) = conceal(std::env::args_os().collect()) else { return };
    let Some((name, rest)) = args.split_first() else { return };
    let error = match std::env::current_exe() {
        Ok(program) => {
            Command::new(program).arg0(name).args(rest).env(DatabaseUrl::VARIABLE, url).exec()
        }
        Err(error) => error,
    };
    log::warn!(
        "the URL of the database stays visible in the process list ({error}); give it by {} instead",
        DatabaseUrl::VARIABLE
    );
}

/// Other systems do not show arguments to other users, or have no way to replace a process.
#[cfg(not(unix))]
pub(super) fn conceal_database() {}

/// Blots the URL out of the arguments, and gives it; `None` if there is none.
fn conceal(mut args: Vec<OsString>) -> Option<(Vec<OsString>, String)> {
    let (mut url, mut is_next) = (None, false);
    for arg in &mut args {
        let Some(text) = arg.to_str() else {
            is_next = false;
            continue;
        };
        let (shown, value) = match text.strip_prefix(OPTION).map(|rest| rest.strip_prefix('=')) {
            _ if is_next => (CONCEALED.to_owned(), Some(text)),
            Some(Some(value)) => (format!("{OPTION}={CONCEALED}"), Some(value)),
            _ => (text.to_owned(), None),
        };
        is_next = text == OPTION && !is_next;
        url = value.filter(|value| *value != CONCEALED).map(str::to_owned).or(url);
        *arg = shown.into();
    }
    url.map(|url| (args, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_url_is_taken_out_once() {
        for (given, shown) in [
            ("sc server --database postgres://u:p@h/n -x", "sc server --database **** -x"),
            ("sc server --database=postgres://u:p@h/n", "sc server --database=****"),
            (
                "sc server user list --database postgres://u:p@h/n --database-file f",
                "sc server user list --database **** --database-file f",
            ),
        ] {
            let (concealed, url) = conceal(args(given)).unwrap();
            assert_eq!(concealed, args(shown));
            assert_eq!(url, "postgres://u:p@h/n");
            assert_eq!(conceal(concealed), None, "it is not done again");
        }
        assert_eq!(conceal(args("sc server --database-file f --rest-address a")), None);
    }
}
