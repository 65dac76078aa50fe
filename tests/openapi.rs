//! The REST API against its own OpenAPI document, by schemathesis: random calls, good and bad, and
//! calls in sequences. What comes back has to be what the document says.

use std::process::Command;
use std::time::Duration;

use sc_tests::deployment::{Server, User, key_in};
use sc_tests::process::Process;

/// Calls for each operation. More find more; this takes well under a minute.
const EXAMPLES: &str = "10";
const LIMIT: Duration = Duration::from_secs(300);

/// What each answer is held against. Not among them: that all that the document allows is taken (a
/// schema does not say what a good regular expression is); that all else is refused (parameters
/// that nobody knows are ignored, for clients of other versions); that nothing is left of what was
/// deleted (the record of an ended tunnel is); that wrong keys are refused with 401 each time (many
/// are slowed with 429).
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method";

#[test]
#[cfg_attr(missing_schemathesis, ignore = "skipped: schemathesis is not installed")]
fn the_server_does_what_its_description_says() {
    let server = Server::start();
    // Somebody who may do all that there is.
    let printed = server.user_command(&["add", "jane", "--role", "org-admin"]);
    let user = User { name: "jane".to_owned(), key: key_in(&printed) };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("schemathesis.toml");
    // The only user there is.
    std::fs::write(&config, "[parameters]\n\"path.user\" = \"jane\"\n").expect("a file of ours");
    let mut command = Command::new("schemathesis");
    command
        .current_dir(folder.path())
        .arg("--config-file")
        .arg(&config)
        .arg("run")
        .arg(format!("{}/public/openapi.json", server.rest_url()))
        .args(["--url", &server.rest_url()])
        .args(["--auth", &format!("{}:{}", user.name, user.key)])
        .args(["--checks", CHECKS, "--max-examples", EXAMPLES, "--seed", "1", "--no-color"])
        // What would take the caller's own key or rights away.
        .args(["--exclude-operation-id", "rotateKey", "--exclude-operation-id", "removeUser"])
        .args(["--exclude-operation-id", "changeUser"])
        .args(["--generation-database", "none", "--suppress-health-check", "all"]);
    let checking = Process::start("schemathesis", command);
    let status = checking.wait_exit(LIMIT);
    assert!(status.success(), "{}", checking.report());
    let report = checking.report();
    assert!(report.contains("passed") || report.contains("No issues found"), "{report}");
}
