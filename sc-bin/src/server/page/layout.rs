//! What all pages have in common.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use super::visitor::Visitor;
use super::{LIST, SIGN_OUT, amounts, assets, stop};
use crate::server::tunnels::unix_now;

/// A page of a user who is signed in.
pub(super) struct Shell<'a> {
    /// Its title.
    pub(super) title: &'a str,
    /// Who sees it.
    pub(super) visitor: &'a Visitor,
    /// Where its changes are told, if they are.
    pub(super) live: Option<&'a str>,
}

impl Shell<'_> {
    /// The page around its content.
    pub(super) fn page(&self, content: &Markup) -> Html<String> {
        let Self { title, visitor, live } = self;
        let mark = visitor.token.form_mark();
        let account = &visitor.account;
        document(
            title,
            *live,
            &html! {
                header.top {
                    a.brand href=(LIST) { (brand()) }
                    div.who {
                        @if live.is_some() {
                            span #live.live role="status" data-is="none" { "Not live" }
                        }
                        span.user { (account.name) " " span.quiet { (account.role.name()) } }
                        form method="post" action=(SIGN_OUT) {
                            input type="hidden" name="mark" value=(mark);
                            button.small type="submit" { "Sign out" }
                        }
                    }
                }
                main #main tabindex="-1" { (content) }
                (footer())
                div #news.hidden-text role="status" {}
                @if live.is_some() { (stop::dialog(&mark)) }
            },
        )
    }
}

/// A page of nobody in particular.
pub(super) fn plain(title: &str, content: &Markup) -> Html<String> {
    document(
        title,
        None,
        &html! {
            header.top { a.brand href=(LIST) { (brand()) } }
            main #main tabindex="-1" { (content) }
            (footer())
        },
    )
}

fn document(title: &str, live: Option<&str>, body: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – sc" }
                link rel="icon" type="image/svg+xml" href=(assets::ICON.path());
                link rel="stylesheet" href=(assets::STYLE.path());
                script src=(assets::SCRIPT.path()) defer {}
            }
            body data-now=(unix_now()) data-live=[live] {
                a.skip href="#main" { "Skip to content" }
                (body)
            }
        }
    };
    Html(page.0)
}

fn brand() -> Markup {
    html! {
        svg.logo viewBox="0 0 32 32" aria-hidden="true" {
            rect width="32" height="32" rx="7" {}
            path.outer d="M6 24v-6a10 10 0 0 1 20 0v6" {}
            path.inner d="M12 24v-6a4 4 0 0 1 8 0v6" {}
        }
        span { "sc " span.section { "Tunnels" } }
    }
}

fn footer() -> Markup {
    html! {
        footer.foot { p { "sc server " (env!("CARGO_PKG_VERSION")) } }
    }
}

/// How long something has lasted. The page's script keeps it right. What is told live leaves the
/// text out, or everything would change all the time.
pub(super) fn since(unix: u64, now: Option<u64>) -> Markup {
    html! {
        time data-since=(unix) datetime=(amounts::machine_moment(unix))
            title={ "since " (amounts::moment(unix)) " UTC" } {
            @if let Some(now) = now { (amounts::span(now.saturating_sub(unix))) }
        }
    }
}

/// A moment.
pub(super) fn at(unix: u64) -> Markup {
    html! { time datetime=(amounts::machine_moment(unix)) { (amounts::moment(unix)) } }
}

/// Something to paste, with a button that copies it where there is a script.
pub(super) fn command(id: &str, label: &str, lines: &[String]) -> Markup {
    html! {
        div.paste {
            pre.command id=(id) tabindex="0" role="region" aria-label=(label) {
                @for line in lines { code { (line) } "\n" }
            }
            button.small.copy type="button" data-copy=(id) hidden { "Copy" }
        }
    }
}

/// A text of an error as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
