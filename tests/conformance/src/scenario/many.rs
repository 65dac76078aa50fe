//! Very many streams at once. Browsers, server, client and site are a process each, so that each
//! needs one descriptor for a stream.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use super::Verdict;
use super::descriptors::{descriptors, wait_until};
use crate::browser::{answer, ask, pattern};
use crate::driver::Driver;
use crate::process::{Holder, most_descriptors, raise_descriptors};
use crate::site::WORD;

const STREAMS: usize = 10_000;
/// What a process needs beside its streams.
const OTHERS: usize = 100;
/// How many browsers ask before the first of them is answered.
const BATCH: usize = 250;

/// All are open at once, then all carry bytes, then all end and nothing is left of them.
pub(super) fn ten_thousand(driver: &Driver) -> Verdict {
    let most = most_descriptors();
    assert!(most >= (STREAMS + OTHERS) as u64, "the limit of descriptors is {most}: raise it");
    raise_descriptors();
    let (server, place) = Holder::server(driver, most);
    let client = Holder::client(driver, most, &place);
    let (_site, address) = Holder::site(most, STREAMS);
    let before = [&server, &client].map(|process| descriptors(process.pid()));
    let target = address.to_string();
    let mut streams = Vec::with_capacity(STREAMS);
    while streams.len() < STREAMS {
        let asked: Vec<_> = (0..BATCH).map(|_| ask(place.proxy, &target)).collect();
        for answer in asked.into_iter().map(answer) {
            assert_eq!(answer.status, 200, "stream {}: {}", streams.len(), answer.error);
            streams.push(answer.stream);
        }
    }
    for (number, stream) in (1..).zip(&mut streams) {
        stream.write_all(&pattern(number, WORD)).unwrap();
    }
    for (number, stream) in (1..).zip(&mut streams) {
        let mut word = [0; WORD];
        stream.read_exact(&mut word).unwrap();
        assert!(word[..] == pattern(number, WORD), "stream {number}");
        stream.shutdown(Shutdown::Write).unwrap();
    }
    for stream in &mut streams {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    for (process, before) in [&server, &client].into_iter().zip(before) {
        wait_until(|| descriptors(process.pid()) <= before, "descriptors come back");
    }
    Verdict::Passed
}
