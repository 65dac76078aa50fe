//! What the operator tells clients: messages, and where they can be downloaded. A YAML file, named
//! by `--announcements`, read once at the start.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::api::Checksum;

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Announcements {
    /// Texts for users of clients, by weight.
    pub(crate) messages: Vec<Message>,
    /// Where clients can be had.
    pub(crate) downloads: Vec<DownloadPlace>,
    /// Where people read about versions.
    pub(crate) info_url: Option<String>,
}

/// A text that clients show at their start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    /// How much it matters.
    pub(crate) level: Level,
    /// What is shown.
    pub(crate) text: String,
    /// Only clients older than this version are told.
    #[serde(default)]
    pub(crate) below: Option<Version>,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// The client prints it and stops.
    Fatal,
    /// The client prints it and goes on.
    Warning,
    /// The client prints it.
    Info,
}

/// Where one build of the client can be had.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DownloadPlace {
    /// Its version.
    pub(crate) version: Version,
    /// Its operating system.
    pub(crate) os: System,
    /// Its processor.
    pub(crate) arch: Processor,
    /// Where it is.
    pub(crate) url: String,
    /// What it can be checked with.
    #[serde(default)]
    pub(crate) checksums: Vec<Checksum>,
}

/// An operating system, by the names that clients use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum System {
    /// Linux.
    Linux,
    /// macOS.
    #[serde(alias = "darwin", alias = "osx")]
    Macos,
    /// Windows.
    #[serde(alias = "win32")]
    Windows,
}

/// A processor, by the names that clients use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Processor {
    /// 64-bit x86.
    #[serde(rename = "x86_64", alias = "amd64", alias = "x64")]
    X86,
    /// 64-bit ARM.
    #[serde(alias = "aarch64")]
    Arm64,
}

/// A version, as `5.2.3`. What follows the third number does not count.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Version {
    numbers: [u32; 3],
    text: String,
}

/// A text is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version: write three numbers, as 5.2.3")]
pub(crate) struct InvalidVersion(String);

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnnouncementsError {
    /// It cannot be read.
    #[error("cannot read the announcements {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("the announcements {} are wrong: {source}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_norway::Error,
    },
}

impl Announcements {
    /// Reads the file.
    pub(crate) fn from_file(path: &Path) -> Result<Self, AnnouncementsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| AnnouncementsError::Read { path: path.to_owned(), source })?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_norway::from_str(&text)
            .map_err(|source| AnnouncementsError::Parse { path: path.to_owned(), source })
    }

    /// Texts of one weight for a client. One of unknown version is told everything.
    pub(crate) fn texts(&self, level: Level, client: Option<&Version>) -> Vec<String> {
        let concerns = |message: &&Message| match (&message.below, client) {
            (Some(below), Some(client)) => client.numbers < below.numbers,
            _ => true,
        };
        let messages = self.messages.iter().filter(|message| message.level == level);
        messages.filter(concerns).map(|message| message.text.clone()).collect()
    }

    /// The newest download for a platform whose version begins like `version` (`5`, `5.2`).
    pub(crate) fn download(
        &self,
        version: &str,
        os: System,
        arch: Processor,
    ) -> Option<&DownloadPlace> {
        let begins = |place: &&DownloadPlace| {
            let rest = place.version.text.strip_prefix(version);
            rest.is_some_and(|rest| {
                version.is_empty() || !rest.starts_with(|c: char| c.is_ascii_digit())
            })
        };
        let fitting = self.downloads.iter().filter(|place| place.os == os && place.arch == arch);
        fitting.filter(begins).max_by_key(|place| place.version.numbers)
    }

    /// The newest version there is a download of.
    pub(crate) fn newest(&self) -> Option<&Version> {
        self.downloads.iter().map(|place| &place.version).max_by_key(|version| version.numbers)
    }
}

impl System {
    /// The one that a client names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "linux" => Some(Self::Linux),
            "macos" | "darwin" | "osx" => Some(Self::Macos),
            "windows" | "win32" => Some(Self::Windows),
            _ => None,
        }
    }
}

impl Processor {
    /// The one that a client names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "x86_64" | "amd64" | "x64" => Some(Self::X86),
            "arm64" | "aarch64" => Some(Self::Arm64),
            _ => None,
        }
    }
}

impl DownloadPlace {
    /// The name of its platform in the list of versions.
    pub(crate) fn platform(&self) -> &'static str {
        match (self.os, self.arch) {
            (System::Linux, Processor::X86) => "linux",
            (System::Linux, Processor::Arm64) => "linux-arm64",
            (System::Macos, _) => "osx",
            (System::Windows, _) => "win32",
        }
    }

    /// Its SHA-1, if that is among its checksums.
    pub(crate) fn sha1(&self) -> Option<String> {
        let sha1 = self.checksums.iter().find(|sum| sum.algorithm.eq_ignore_ascii_case("sha1"));
        sha1.map(|sum| sum.value.clone())
    }
}

impl Version {
    /// Reads one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let mut number = || {
            let part = parts.next()?;
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().ok()
        };
        let numbers = [number()?, number()?, number()?];
        Some(Self { numbers, text: text.to_owned() })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it came before another.
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        self.numbers < other.numbers
    }
}

impl TryFrom<String> for Version {
    type Error = InvalidVersion;
    fn try_from(text: String) -> Result<Self, InvalidVersion> {
        Self::parse(&text).ok_or(InvalidVersion(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Announcements {
        serde_norway::from_str(yaml).unwrap()
    }

    #[test]
    fn messages_are_for_whom_they_concern() {
        let told = read(
            "messages:\n- {level: warning, text: old, below: 5.2.0}\n- {level: info, text: all}\n",
        );
        let client = |text: &str| Version::parse(text);
        assert_eq!(told.texts(Level::Warning, client("4.9.1").as_ref()), ["old"]);
        assert_eq!(told.texts(Level::Warning, None), ["old"]);
        assert!(told.texts(Level::Warning, client("5.2.0").as_ref()).is_empty());
        assert_eq!(told.texts(Level::Info, client("5.10.0").as_ref()), ["all"]);
    }

    #[test]
    fn the_newest_download_that_fits_is_found() {
        let place = |version: &str, os: &str| {
            format!(
                "- {{version: {version}, os: {os}, arch: x86_64, url: 'https://d/{version}'}}\n"
            )
        };
        let yaml = format!(
            "downloads:\n{}{}{}{}",
            place("5.2.0", "linux"),
            place("5.10.1", "linux"),
            place("50.0.0", "linux"),
            place("5.11.0", "darwin")
        );
        let all = read(&yaml);
        let find = |version: &str, os| {
            all.download(version, os, Processor::X86).map(|place| place.version.text())
        };
        assert_eq!(find("5", System::Linux), Some("5.10.1"));
        assert_eq!(find("5.2", System::Linux), Some("5.2.0"));
        assert_eq!(find("", System::Linux), Some("50.0.0"));
        assert_eq!(find("5.1", System::Linux), None);
        assert_eq!(find("5", System::Macos), Some("5.11.0"));
        assert_eq!(find("5", System::Windows), None);
        assert_eq!(all.newest().unwrap().text(), "50.0.0");
    }

    #[test]
    fn versions() {
        for bad in ["", "5", "5.2", "a.b.c", "5.2.x"] {
            assert!(Version::parse(bad).is_none(), "{bad:?}");
        }
        assert!(Version::parse("5.2.3-rc1").is_some());
        let older = Version::parse("4.10.9").unwrap();
        assert!(older.is_older_than(&Version::parse("5.0.0").unwrap()));
    }
}
