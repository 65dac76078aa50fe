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

/// Whether upper and lower case letters are the same to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Same,
    Differs,
}

/// Expressions of which any one is enough.
#[derive(Clone, Debug)]
pub(super) struct Set(RegexSet);

impl Set {
    /// Expressions about URLs, whose paths know upper and lower case.
    pub(super) fn of_urls<'a>(
        items: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidRules> {
        let mut expressions = Vec::new();
        for rule in checked(items) {
            let (item, rule) = rule?;
            check(item, rule, rule)?;
            expressions.push(rule);
        }
        if expressions.is_empty() {
            return Err(InvalidRules::Empty);
        }
        Self::compile(&expressions, Case::Differs)
    }

    /// What is matched is ASCII, so no Unicode tables are needed.
    fn compile(expressions: &[&str], case: Case) -> Result<Self, InvalidRules> {
        RegexSetBuilder::new(expressions)
            .unicode(false)
            .case_insensitive(case == Case::Same)
            .size_limit(LIST_SIZE)
            .build()
            .map(Self)
            .map_err(|error| InvalidRules::TooLarge { reason: error.to_string() })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

/// Expressions about hosts, and those that make exceptions.
#[derive(Clone, Debug)]
pub(super) struct Expressions {
    include: Set,
    exclude: Set,
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
            // Hosts come in lower case; a rule may not.
            (false, _) => Ok(Self {
                include: Set::compile(&include, Case::Same)?,
                exclude: Set::compile(&exclude, Case::Same)?,
            }),
        }
    }

    pub(super) fn matches(&self, host: &str) -> bool {
        self.include.matches(host) && !self.exclude.matches(host)
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
