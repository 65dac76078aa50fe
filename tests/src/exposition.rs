//! Prometheus' text format, version 0.0.4, read strictly: what a scraper would only warn about is
//! an error here.

use std::collections::{BTreeMap, BTreeSet};

/// The metrics of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition {
    types: BTreeMap<String, String>,
    series: BTreeMap<(String, Labels), f64>,
}

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

impl Exposition {
    /// Reads a scrape.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("the last line does not end".to_owned());
        }
        let mut all = Self::default();
        let mut helped = BTreeSet::new();
        // The family whose samples may follow.
        let mut current: Option<String> = None;
        for line in text.lines() {
            let wrong = |what: &str| format!("{what}: {line:?}");
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help text"))?;
                if help.trim().is_empty() || !helped.insert(name.to_owned()) {
                    return Err(wrong("an empty or a second HELP"));
                }
                current = None;
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
                if !is_name(name) || !["counter", "gauge", "histogram"].contains(&kind) {
                    return Err(wrong("a wrong name or type"));
                }
                if !helped.contains(name) {
                    return Err(wrong("a TYPE without its HELP before"));
                }
                if all.types.insert(name.to_owned(), kind.to_owned()).is_some() {
                    return Err(wrong("a second TYPE"));
                }
                current = Some(name.to_owned());
            } else {
                let family = current.as_deref().ok_or_else(|| wrong("a sample without a TYPE"))?;
                let (name, labels, value) = sample(line).map_err(|what| wrong(&what))?;
                if !belongs(&name, family, &all.types[family]) {
                    return Err(wrong("a sample of another metric"));
                }
                if all.types[family] == "counter" && !(value >= 0.0 && value.is_finite()) {
                    return Err(wrong("a counter below zero"));
                }
                if all.series.insert((name, labels), value).is_some() {
                    return Err(wrong("a second sample of one series"));
                }
            }
        }
        all.check_histograms()?;
        Ok(all)
    }

    /// The value of a series without labels, or the only one with these.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |known: &Labels| {
            labels.iter().all(|(name, value)| known.get(*name).is_some_and(|v| v == value))
        };
        let mut found = self.series.iter().filter(|((known, l), _)| known == name && fits(l));
        let first = found.next()?;
        assert!(found.next().is_none(), "{name} with {labels:?} is not one series");
        Some(*first.1)
    }

    /// The type of a metric.
    pub fn kind(&self, name: &str) -> Option<&str> {
        self.types.get(name).map(String::as_str)
    }

    /// The names of all metrics.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    fn check_histograms(&self) -> Result<(), String> {
        for (family, _) in self.types.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut by_labels: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            let bucket = format!("{family}_bucket");
            for ((_, labels), count) in self.series.iter().filter(|((name, _), _)| *name == bucket)
            {
                let mut rest = labels.clone();
                let bound = rest.remove("le").and_then(|le| number(&le));
                let bound = bound.ok_or_else(|| format!("{family}: a bucket without a bound"))?;
                by_labels.entry(rest).or_default().push((bound, *count));
            }
            for (labels, mut buckets) in by_labels {
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                let rises = buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1);
                let count = self.series.get(&(format!("{family}_count"), labels.clone()));
                let sum = self.series.get(&(format!("{family}_sum"), labels));
                let last = buckets.last().filter(|last| last.0.is_infinite()).map(|last| &last.1);
                if !rises || sum.is_none() || last.is_none() || last != count {
                    return Err(format!("{family} is no histogram: {buckets:?} {count:?} {sum:?}"));
                }
            }
        }
        Ok(())
    }
}

fn belongs(name: &str, family: &str, kind: &str) -> bool {
    let suffix = name.strip_prefix(family);
    match kind {
        "histogram" => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
        _ => suffix == Some(""),
    }
}

/// `name{label="value",…} value`, without a timestamp.
fn sample(line: &str) -> Result<(String, Labels, f64), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    if !is_name(name) {
        return Err("a wrong name".to_owned());
    }
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, tail) = rest.split_once("=\"").ok_or("a label without a value")?;
            if !is_name(label) || label.contains(':') || label.starts_with("__") {
                return Err("a wrong label".to_owned());
            }
            let (value, tail) = quoted(tail)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err("a label twice".to_owned());
            }
            rest = tail.strip_prefix(',').unwrap_or(tail);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').and_then(number).ok_or("a wrong value")?;
    Ok((name.to_owned(), labels, value))
}

/// The text up to the closing quote, and what is behind it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut rest = text.char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match rest.next() {
                Some((_, '\\')) => '\\',
                Some((_, '"')) => '"',
                Some((_, 'n')) => '\n',
                _ => return Err("a wrong escape".to_owned()),
            }),
            c => value.push(c),
        }
    }
    Err("a label's value does not end".to_owned())
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        // Rust reads more words than the format has.
        _ if text.contains(|c: char| c.is_ascii_alphabetic() && c != 'e') => None,
        _ => text.parse().ok(),
    }
}

fn is_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_one() {
        let text = "# HELP a How.\n# TYPE a gauge\na{x=\"1\",y=\"b\\\"c\\n\"} -1.5\na{x=\"2\"} 0\n\
                    # HELP h H.\n# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\n\
                    h_sum 3\nh_count 2\n";
        let all = Exposition::parse(text).unwrap();
        assert_eq!(all.get("a", &[("x", "1")]), Some(-1.5));
        assert_eq!(all.get("a", &[("y", "b\"c\n")]), Some(-1.5));
        assert_eq!(all.get("h_count", &[]), Some(2.0));
        assert_eq!(all.kind("h"), Some("histogram"));
    }

    #[test]
    fn bad_ones() {
        for (text, why) in [
            ("a 1\n", "without a TYPE"),
            ("# HELP a x\n# TYPE a gauge\na 1", "does not end"),
            ("# HELP a x\n# TYPE a gauge\na 1\na 2\n", "second sample"),
            ("# HELP a x\n# TYPE a gauge\nb 1\n", "another metric"),
            ("# HELP a x\n# TYPE a counter\na -1\n", "below zero"),
            ("# HELP a x\n# TYPE a gauge\na{b=\"c} 1\n", "does not end"),
            ("# HELP a x\n# TYPE a gauge\na{b=\"\\x\"} 1\n", "escape"),
            ("# HELP a x\n# TYPE a gauge\na nano\n", "value"),
            ("# HELP a x\n# TYPE a gauge\na 1\n# HELP a x\n", "second HELP"),
            (
                "# HELP h H\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
                "histogram",
            ),
            (
                "# HELP h H\n# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n",
                "histogram",
            ),
        ] {
            let error = Exposition::parse(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
