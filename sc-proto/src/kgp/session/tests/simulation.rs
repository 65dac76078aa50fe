//! Seeded random lives of two sessions against a shadow model.
//!
//! `SC_SIM_SEED=n` runs one seed, `SC_SIM_SEEDS=n` so many, `SC_SIM_STEPS=n` sets their length.

use std::{env, eprintln, panic};

use super::super::world::{Choice, Transports, World, steps};

/// The generator SplitMix64 (Steele, Lea, Flood 2014).
struct Seeded(u64);

impl Choice for Seeded {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % n.max(1) as u64) as usize
    }
}

fn live(transports: Transports, seed: u64, steps: u64) {
    let choice = &mut Seeded(seed);
    let mut world = World::new(steps::settings(choice), steps::settings(choice));
    world.transports = transports;
    for _ in 0..steps {
        world.step(choice).unwrap();
        world.check();
    }
    world.calm_down(choice).unwrap();
}

fn live_often(transports: Transports, seeds: u64) {
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let steps = number("SC_SIM_STEPS").unwrap_or(2000);
    let seeds = match number("SC_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SC_SIM_SEEDS").unwrap_or(seeds),
    };
    for seed in seeds {
        if let Err(failure) = panic::catch_unwind(|| live(transports, seed, steps)) {
            eprintln!("run again with SC_SIM_SEED={seed} SC_SIM_STEPS={steps}");
            panic::resume_unwind(failure);
        }
    }
}

#[test]
fn whatever_happens_nothing_is_lost_doubled_or_kept() {
    live_often(Transports::Safe, 300);
}

#[test]
fn whatever_dies_nothing_is_lost_doubled_or_kept() {
    live_often(Transports::Mortal, 1500);
}

/// Lives that once went wrong, and what had been forgotten.
#[test]
fn lives_that_once_went_wrong() {
    for (seed, what) in [
        (0, "a part of a frame that went to the old transport is no part of the new one's"),
        (3, "a RESUME that comes late, behind a newer one, says too little"),
        (4, "what went to an older transport may have arrived, also when a newer one got less"),
    ] {
        eprintln!("{what}");
        live(Transports::Mortal, seed, 2000);
    }
}
