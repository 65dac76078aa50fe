//! A driver in completion style, as on io_uring: what the core lends is copied, told as blocked,
//! and told as written when the kernel is done.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod world;

use std::time::Duration;

use world::World;
use world::traffic::{connect, pattern, transfer};

/// The bytes that were copied stay first until they are told as written, so that nothing is lost
/// or doubled; and an end comes after them.
#[test]
fn what_was_copied_stays_first_until_it_is_written() {
    for seed in 1..20 {
        println!("seed {seed}");
        let (mut world, proxy) = World::tunnel(seed, |_| {});
        world.complete_later();
        let (browser, site) = connect(&mut world, proxy);
        let (other_browser, other_site) = connect(&mut world, proxy);
        transfer(&mut world, browser, site, &pattern(700_000));
        transfer(&mut world, other_site, other_browser, &pattern(900_000));
        world.send(browser, &pattern(60_000));
        world.finish(browser);
        world.run();
        assert_eq!(world.take(site, usize::MAX), pattern(60_000));
        assert!(world.has_ended(site));
        transfer(&mut world, site, browser, &pattern(300_000));
        world.finish(site);
        world.run();
        assert!(world.has_ended(browser));
        world.abort(other_site);
        world.run();
        assert!(world.was_reset(other_browser));
        world.pass(Duration::from_secs(60));
        let left = world.cores[0].statistics();
        assert_eq!((left.streams, left.proxied, left.buffered), (0, 0, 0));
    }
}
