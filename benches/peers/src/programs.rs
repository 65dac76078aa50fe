//! Where the programs come from that are measured beside ours.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Finds a program: what `SC_PEERS_NAME` names, else in the cache of `benches/peers/run`, else on
/// the search path, where Debian's folders for administrators count too.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let variable = format!("SC_PEERS_{}", name.to_uppercase());
    if let Some(path) = env::var_os(variable) {
        return Some(PathBuf::from(path));
    }
    let cache = env::var_os("SC_PEERS_CACHE").map(|folder| Path::new(&folder).join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = cache.into_iter().chain(env::split_paths(&path).collect::<Vec<_>>());
    folders
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A command that runs the program by way of `prefix`, a program that becomes it; none when it is
/// not there.
pub(crate) fn command(name: &str, prefix: &[String]) -> Option<Command> {
    let program = find(name)?;
    let Some((first, rest)) = prefix.split_first() else { return Some(Command::new(program)) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    Some(command)
}
