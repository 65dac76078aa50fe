//! What was found, and how it is shown.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::monitor::build;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// All is well, or it is good to know.
    Ok,
    /// It works, and may not always.
    Warning,
    /// It stands in the way.
    Error,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at: a word for scripts, stable over versions.
    pub(crate) check: &'static str,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What was found.
    pub(crate) text: String,
    /// What to do about it; there for all that is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// For people, each as it is found.
    Text,
    /// For programs: one object, at the end.
    Json,
}

/// All findings so far.
#[derive(Debug)]
pub(crate) struct Report {
    shown: Shown,
    findings: Vec<Finding>,
}

impl Report {
    /// Nothing found yet.
    pub(crate) fn new(shown: Shown) -> Self {
        Self { shown, findings: Vec::new() }
    }

    /// All is well with something.
    pub(crate) fn good(&mut self, check: &'static str, text: impl Into<String>) {
        self.add(Finding { check, severity: Severity::Ok, text: text.into(), remedy: None });
    }

    /// Something may become a trouble.
    pub(crate) fn warn(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (text, remedy) = (text.into(), Some(remedy.into()));
        self.add(Finding { check, severity: Severity::Warning, text, remedy });
    }

    /// Something stands in the way.
    pub(crate) fn wrong(
        &mut self,
        check: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (text, remedy) = (text.into(), Some(remedy.into()));
        self.add(Finding { check, severity: Severity::Error, text, remedy });
    }

    fn add(&mut self, finding: Finding) {
        if self.shown == Shown::Text {
            // A reader that has gone stops nobody.
            let _ = io::stdout().write_all(line(&finding).as_bytes());
        }
        self.findings.push(finding);
    }

    /// The worst so far.
    pub(crate) fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }

    /// Prints what is left to print, and says the exit code: 0, 6 for warnings, 7 for errors.
    pub(crate) fn end(self) -> u8 {
        let count =
            |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let worst = self.worst();
        let text = match self.shown {
            Shown::Text => format!("{errors} errors, {warnings} warnings\n"),
            Shown::Json => {
                let json = serde_json::json!({
                    "version": build::VERSION,
                    "worst": worst,
                    "findings": self.findings,
                });
                format!("{json}\n")
            }
        };
        let _ = io::stdout().write_all(text.as_bytes());
        match worst {
            Severity::Ok => 0,
            Severity::Warning => 6,
            Severity::Error => 7,
        }
    }
}

fn line(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::Error => "ERROR",
    };
    // What others sent gets no line of its own and moves no cursor.
    let clean =
        |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let mut line = format!("{word:<8} {:<14} {}\n", finding.check, clean(&finding.text));
    if let Some(remedy) = &finding.remedy {
        // Writing to a string does not fail.
        let _ = writeln!(line, "{:<8} {:<14} next: {}", "", "", clean(remedy));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides() {
        let end = |add: &dyn Fn(&mut Report)| {
            let mut report = Report::new(Shown::Json);
            add(&mut report);
            report.end()
        };
        assert_eq!(end(&|_| {}), 0);
        assert_eq!(end(&|report| report.good("a", "b")), 0);
        let warn = |report: &mut Report| report.warn("a", "b", "c");
        assert_eq!(end(&warn), 6);
        assert_eq!(
            end(&|report| {
                report.wrong("a", "b", "c");
                warn(report);
            }),
            7
        );
    }

    #[test]
    fn a_line_says_what_to_do() {
        let finding = Finding {
            check: "clock",
            severity: Severity::Error,
            text: "it is\nlate".to_owned(),
            remedy: Some("set it".to_owned()),
        };
        assert_eq!(
            line(&finding),
            "ERROR    clock          it is late\n                        next: set it\n"
        );
    }
}
