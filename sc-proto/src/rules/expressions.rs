//! Version 5's regular expressions, all of a list searched for in one pass.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

use super::{InvalidRules, checked};

/// Most bytes of one compiled expression, and of a compiled list.
const ONE_SIZE: usize = 1 << 20;
const LIST_SIZE: usize = 64 << 20;

/// A compiled list of expressions.
#[derive(Clone, Debug)]
pub(super) struct Expressions {
    include: RegexSet,
    exclude: RegexSet,
}

impl Expressions {
    pub(super) fn compile<'a>(
        items: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidRules> {
        let (mut include, mut exclude) = (Vec::new(), Vec::new());
        for rule in checked(items) {
            let (item, rule) = rule?;
            let (list, expression) = match rule.strip_prefix('-') {
                Some(expression) => (&mut exclude, expression),
                None => (&mut include, rule),
            };
            let expression = if expression == "all" { ".*" } else { expression };
            check(item, rule, expression)?;
            list.push(expression);
        }
        match (include.is_empty(), exclude.is_empty()) {
            (true, true) => Err(InvalidRules::Empty),
            (true, false) => Err(InvalidRules::OnlyExclusions),
            (false, _) => Ok(Self { include: set(&include)?, exclude: set(&exclude)? }),
        }
    }

    pub(super) fn matches(&self, host: &str) -> bool {
        self.include.is_match(host.as_bytes()) && !self.exclude.is_match(host.as_bytes())
    }
}

/// Compiles one expression by itself, so that an error names it.
fn check(item: usize, rule: &str, expression: &str) -> Result<(), InvalidRules> {
    let compiled = RegexBuilder::new(expression)
        .unicode(false)
        .case_insensitive(true)
        .size_limit(ONE_SIZE)
        .build();
    match compiled {
        Ok(_) => Ok(()),
        Err(error) => Err(InvalidRules::Expression {
            item,
            rule: rule.to_owned(),
            reason: reason(expression, &error),
        }),
    }
}

/// The last line of what the compiler says, which names the fault, and the remedy for the most
/// common one: a version 4 pattern.
fn reason(expression: &str, error: &regex::Error) -> String {
    let text = error.to_string();
    let fault = text.lines().last().unwrap_or_default();
    let fault = fault.strip_prefix("error: ").unwrap_or(fault);
    match expression.strip_prefix("*.") {
        Some(domain) => {
            let domain = domain.replace('.', "\\.");
            format!("{fault}; for a domain and all below it write ^(.+\\.)?{domain}$")
        }
        None => fault.to_owned(),
    }
}

/// Host names are ASCII, so no Unicode tables are needed; `host` was made lower case, so the rule's
/// case does not count.
fn set(expressions: &[&str]) -> Result<RegexSet, InvalidRules> {
    RegexSetBuilder::new(expressions)
        .unicode(false)
        .case_insensitive(true)
        .size_limit(LIST_SIZE)
        .build()
        .map_err(|error| InvalidRules::TooLarge { reason: error.to_string() })
}
