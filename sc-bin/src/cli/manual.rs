//! `sc completion` and `sc man`: what shells and `man` know of the commands.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::args::Cli;

/// `sc completion`.
#[derive(Args, Debug)]
pub(crate) struct CompletionArgs {
    /// For which shell
    shell: Shell,
}

/// `sc man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Where the pages go; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints the completion script of a shell.
pub(super) fn completion(args: &CompletionArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sc", &mut script);
    match io::stdout().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes a page for each command.
pub(super) fn man(args: &ManArgs) -> ExitCode {
    let written = std::fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "Error: {}: {error}", args.folder.display());
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_completes_every_option() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "sc", &mut script);
            let script = String::from_utf8(script).unwrap();
            for name in ["tunnel-identifier", "access-key", "tls-resign-domains", "no-autodetect"] {
                let is_alias = name == "tunnel-identifier";
                assert_eq!(script.contains(name), !is_alias, "{shell}: {name}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("new");
        assert_eq!(man(&ManArgs { folder: place.clone() }), ExitCode::SUCCESS);
        for page in ["sc.1", "sc-run.1", "sc-legacy.1", "sc-ready.1"] {
            let text = std::fs::read_to_string(place.join(page)).unwrap();
            assert!(text.contains(".TH"), "{page}");
        }
        let run = std::fs::read_to_string(place.join("sc-run.1")).unwrap();
        assert!(run.contains("SAUCE_ACCESS_KEY") && run.contains("process list"), "{run}");
    }
}
