//! All samples of a run, and what they come to.

use std::collections::BTreeMap;

use crate::peer::Peer;
use crate::row::Row;

/// One run's figures by name, in the order of the columns.
pub(crate) type Sample = Vec<(String, f64)>;

/// The samples, by row and peer.
#[derive(Debug, Default)]
pub(crate) struct Results {
    samples: BTreeMap<(Row, &'static str), Vec<Sample>>,
}

/// What several rounds came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Results {
    pub(crate) fn add(&mut self, row: Row, peer: Peer, sample: Sample) {
        self.samples.entry((row, peer.name())).or_default().push(sample);
    }

    /// The names of a row's figures, in order.
    pub(crate) fn columns(&self, row: Row) -> Vec<&str> {
        let of_row = self.samples.iter().find(|((of, _), _)| *of == row);
        let first = of_row.and_then(|(_, samples)| samples.first());
        first.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// Every round's value of one figure.
    pub(crate) fn values(&self, row: Row, peer: Peer, column: &str) -> Vec<f64> {
        let samples = self.samples.get(&(row, peer.name())).into_iter().flatten();
        samples.flatten().filter(|(name, _)| name == column).map(|(_, value)| *value).collect()
    }

    /// Median, least and most of one figure.
    pub(crate) fn figure(&self, row: Row, peer: Peer, column: &str) -> Option<Figure> {
        let mut values = self.values(row, peer, column);
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Figure { median, least, most })
    }

    /// The median.
    pub(crate) fn median(&self, row: Row, peer: Peer, column: &str) -> Option<f64> {
        self.figure(row, peer, column).map(|figure| figure.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_median_between_the_extremes() {
        let mut results = Results::default();
        for value in [5.0, 1.0, 3.0, 9.0] {
            results.add(Row::Bulk, Peer::Sc, vec![("MB/s".to_owned(), value)]);
        }
        let figure = results.figure(Row::Bulk, Peer::Sc, "MB/s");
        assert_eq!(figure, Some(Figure { median: 4.0, least: 1.0, most: 9.0 }));
        assert_eq!(results.figure(Row::Bulk, Peer::Ssh, "MB/s"), None);
        assert_eq!(results.columns(Row::Bulk), ["MB/s"]);
    }
}
