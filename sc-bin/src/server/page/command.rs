//! Commands to paste.

use super::Page;
use super::visitor::Visitor;
use crate::api::BASE;

/// What starts a tunnel of the visitor's, without its key: that is nowhere but with the user.
pub(super) fn start(page: &Page, visitor: &Visitor) -> Vec<String> {
    vec![
        format!("export SAUCE_USERNAME={} SAUCE_ACCESS_KEY=…", visitor.account.name),
        format!("sc run --rest-url {} --tunnel-name my-tunnel", rest_url(page, visitor)),
    ]
}

/// The REST API by the name that works for this browser.
fn rest_url(page: &Page, visitor: &Visitor) -> String {
    match &visitor.host {
        Some(host) => format!("{}://{host}{BASE}", page.rest.scheme),
        None => page.rest.url.clone(),
    }
}
