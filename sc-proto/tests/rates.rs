//! Limits of bytes a second from and to sites, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use sc_proto::egress::Rate;
use world::traffic::{connect, pattern};
use world::{End, World};

const LIMIT: u64 = 200_000;

fn limit() -> Option<Arc<Rate>> {
    NonZeroU64::new(LIMIT).map(Rate::new).map(Arc::new)
}

/// Lets all ends send without end, and reads what comes at the others for some seconds. Gives what
/// each got.
fn flood(world: &mut World, ways: &[(End, End)], seconds: u64) -> Vec<usize> {
    let mut got = vec![0; ways.len()];
    let part = pattern(50_000);
    for _ in 0..seconds * 20 {
        for (from, to) in ways {
            if world.unread(*to) < 500_000 {
                world.send(*from, &part);
            }
        }
        world.pass(Duration::from_millis(50));
        for (got, (_, to)) in got.iter_mut().zip(ways) {
            *got += world.take(*to, usize::MAX).len();
        }
    }
    got
}

fn assert_fair(got: &[usize], seconds: u64) {
    let (all, most) = (got.iter().sum::<usize>() as u64, LIMIT * seconds);
    assert!(all <= most + LIMIT / 10 + 1, "{all} of {most}: {got:?}");
    assert!(all >= most * 9 / 10, "{all} of {most}: {got:?}");
    let (least, greatest) = (got.iter().min().unwrap(), got.iter().max().unwrap());
    assert!(greatest - least <= greatest / 4, "{got:?}");
}

#[test]
fn what_sites_send_is_limited_over_all_streams_and_fairly() {
    for seed in 1..4 {
        println!("seed {seed}");
        let rate = limit();
        let (mut world, proxy) =
            World::tunnel(seed, |config| config.egress.rates.read.clone_from(&rate));
        let streams: Vec<_> = (0..4).map(|_| connect(&mut world, proxy)).collect();
        let down: Vec<_> = streams.iter().map(|(browser, site)| (*site, *browser)).collect();
        assert_fair(&flood(&mut world, &down, 10), 10);
    }
}

#[test]
fn what_sites_get_is_limited_and_what_they_send_is_not() {
    for seed in 1..4 {
        println!("seed {seed}");
        let rate = limit();
        let (mut world, proxy) =
            World::tunnel(seed, |config| config.egress.rates.write.clone_from(&rate));
        let up: Vec<_> = (0..4).map(|_| connect(&mut world, proxy)).collect();
        assert_fair(&flood(&mut world, &up, 10), 10);
        let (browser, site) = connect(&mut world, proxy);
        let begun = world.now;
        world::traffic::transfer(&mut world, site, browser, &pattern(2_000_000));
        assert_eq!(world.now, begun, "no time passes for what is not limited");
    }
}

#[test]
fn two_connections_share_one_limit() {
    let rate = limit();
    let (mut world, proxy) =
        World::tunnel_of(2, 5, |config| config.egress.rates.read.clone_from(&rate));
    let streams: Vec<_> = (0..6).map(|_| connect(&mut world, proxy)).collect();
    let down: Vec<_> = streams.iter().map(|(browser, site)| (*site, *browser)).collect();
    let got = flood(&mut world, &down, 10);
    let (all, most) = (got.iter().sum::<usize>() as u64, LIMIT * 10);
    assert!(all <= most + LIMIT / 10 + 1 && all >= most * 9 / 10, "{all}: {got:?}");
    assert!(got.iter().all(|got| *got > 0), "{got:?}");
}

#[test]
fn a_small_exchange_is_not_held_up_by_a_bulk_transfer() {
    let rate = limit();
    let (mut world, proxy) = World::tunnel(6, |config| config.egress.rates.read.clone_from(&rate));
    let (bulk_to, bulk_from) = connect(&mut world, proxy);
    flood(&mut world, &[(bulk_from, bulk_to)], 2);
    let (browser, site) = connect(&mut world, proxy);
    world.send(bulk_from, &pattern(400_000));
    world.send(site, b"small");
    let begun = world.now;
    let mut got = Vec::new();
    while got.len() < 5 {
        world.pass(Duration::from_millis(10));
        got.extend(world.take(browser, usize::MAX));
        world.take(bulk_to, usize::MAX);
        assert!(world.now.since(begun) < Duration::from_millis(300), "it waits for bulk");
    }
}
