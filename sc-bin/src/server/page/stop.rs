//! Ending tunnels, after a question.

use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::response::{Html, Redirect};
use maud::{Markup, html};
use serde::Deserialize;

use super::amounts::counted;
use super::error::PageError;
use super::layout::Shell;
use super::row::{Row, Standing};
use super::visitor::Visitor;
use super::{LIST, Page, STOP_MINE};
use crate::server::rest::{RestError, end, find_for};
use crate::server::tunnels::Streams;

/// What the record says about it, as the original's page does.
const REASON: &str = "webui";

/// What becomes of what runs.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    /// It may finish.
    #[default]
    Finish,
    /// It is cut.
    Cut,
}

impl How {
    fn streams(self) -> Streams {
        match self {
            Self::Finish => Streams::MayFinish,
            Self::Cut => Streams::AreCut,
        }
    }
}

/// The answer to the question.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    mark: String,
    #[serde(default)]
    how: How,
}

/// `GET /tunnels/{id}/stop`.
pub(super) async fn ask(
    visitor: Visitor,
    State(page): State<Arc<Page>>,
    Path(id): Path<String>,
) -> Result<Html<String>, PageError> {
    let found = find_for(&page.rest, &visitor.account, id).await?;
    let row = page.row(&visitor.account, found, None, 0);
    if !row.may_stop {
        return Err(RestError::Forbidden("end this tunnel").into());
    }
    let (title, action) = (format!("Stop {}?", row.name()), format!("{}/stop", row.path()));
    Ok(question(&visitor, &title, &action, &row.path()))
}

/// `POST /tunnels/{id}/stop`.
pub(super) async fn one(
    visitor: Visitor,
    State(page): State<Arc<Page>>,
    Path(id): Path<String>,
    Form(Answer { mark, how }): Form<Answer>,
) -> Result<Redirect, PageError> {
    visitor.check_form(&mark)?;
    let found = find_for(&page.rest, &visitor.account, id).await?;
    let reason = Some(REASON.to_owned());
    end(&page.rest, &visitor.account, &found, reason, how.streams()).await?;
    Ok(match how {
        How::Finish => Redirect::to("/tunnels?done=stop"),
        How::Cut => Redirect::to("/tunnels?done=cut"),
    })
}

/// `GET /tunnels/stop-mine`.
pub(super) async fn ask_mine(
    visitor: Visitor,
    State(page): State<Arc<Page>>,
) -> Result<Html<String>, PageError> {
    let own = own(&page, &visitor).await?.len();
    let title = format!("Stop {}?", counted(own, "tunnel of yours", "tunnels of yours"));
    Ok(question(&visitor, &title, STOP_MINE, LIST))
}

/// `POST /tunnels/stop-mine`.
pub(super) async fn mine(
    visitor: Visitor,
    State(page): State<Arc<Page>>,
    Form(Answer { mark, how }): Form<Answer>,
) -> Result<Redirect, PageError> {
    visitor.check_form(&mark)?;
    for row in own(&page, &visitor).await? {
        let id = row.tunnel.id.to_string();
        let found = find_for(&page.rest, &visitor.account, id).await?;
        let reason = Some(REASON.to_owned());
        end(&page.rest, &visitor.account, &found, reason, how.streams()).await?;
    }
    Ok(match how {
        How::Finish => Redirect::to("/tunnels?done=stop-mine"),
        How::Cut => Redirect::to("/tunnels?done=cut-mine"),
    })
}

/// The visitor's own tunnels that can be told to end.
async fn own(page: &Page, visitor: &Visitor) -> Result<Vec<Row>, PageError> {
    let mut rows = page.rows(&visitor.account).await?;
    rows.retain(|row| row.is_own && row.may_stop && row.standing != Standing::Stopping);
    Ok(rows)
}

fn question(visitor: &Visitor, title: &str, action: &str, back: &str) -> Html<String> {
    let mark = visitor.token.form_mark();
    let content = html! {
        section.card.narrow {
            h1 { (title) }
            form.fields method="post" action=(action) {
                (choices(&mark))
                div.buttons {
                    button.primary.danger type="submit" { "Stop" }
                    a.button href=(back) { "Keep running" }
                }
            }
        }
    };
    Shell { title, visitor, live: None }.page(&content)
}

/// The same question beside what it is about. The page's script fills it in and opens it.
pub(super) fn dialog(mark: &str) -> Markup {
    html! {
        dialog #ask aria-labelledby="ask-title" {
            form.fields method="post" {
                h2 #ask-title { "Stop?" }
                (choices(mark))
                div.buttons {
                    button.primary.danger type="submit" { "Stop" }
                    button #keep type="button" { "Keep running" }
                }
            }
        }
    }
}

fn choices(mark: &str) -> Markup {
    html! {
        input type="hidden" name="mark" value=(mark);
        fieldset {
            legend { "What runs through it" }
            label.choice {
                input type="radio" name="how" value="finish" checked;
                span { "may finish" span.quiet { "No new job or connection; ends with the last one." } }
            }
            label.choice {
                input type="radio" name="how" value="cut";
                span { "is cut" span.quiet { "Tests that run through it fail." } }
            }
        }
    }
}
