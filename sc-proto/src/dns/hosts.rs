//! The hosts file: names that this machine knows by itself.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::MAX_ADDRESSES;
use crate::contract::Host;

/// Most names that are taken from a file. Lists that block advertisements have some 100,000.
const MAX_NAMES: usize = 500_000;

/// The names of a hosts file with their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    names: BTreeMap<Box<str>, Vec<IpAddr>>,
}

impl Hosts {
    /// Reads a file's text: lines of an address and its names, `#` begins a comment. What is neither
    /// is passed over, as all resolvers do.
    pub fn parse(text: &str) -> Self {
        let mut names: BTreeMap<Box<str>, Vec<IpAddr>> = BTreeMap::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
                continue;
            };
            for word in words {
                let Ok(Host::Name(name)) = Host::parse(word) else { continue };
                if names.len() >= MAX_NAMES && !names.contains_key(&name) {
                    return Self { names };
                }
                let addresses = names.entry(name).or_default();
                if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        Self { names }
    }

    /// The addresses of a name in lower case, in the file's order.
    pub fn get(&self, name: &str) -> Option<&[IpAddr]> {
        self.names.get(name).map(Vec::as_slice)
    }

    /// The names that stand on a line of a loopback address.
    pub fn loopback_names(&self) -> impl Iterator<Item = &str> {
        let is_loopback = |ip: &IpAddr| ip.to_canonical().is_loopback();
        let names = self.names.iter().filter(move |(_, found)| found.iter().any(is_loopback));
        names.map(|(name, _)| name.as_ref())
    }
}
