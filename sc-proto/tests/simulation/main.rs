//! Whole cores in random operation: browsers, sites and an embedder do anything at any time.
//!
//! A model beside them knows every byte: what a CONNECT stream carries arrives once and in order,
//! an answer arrives whole and right or is visibly broken, and when all calm down nothing is held.
//!
//! `SC_SIM_SEEDS` says how many seeds, `SC_SIM_SEED` gives a single one, `SC_SIM_STEPS` the
//! operations of each.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod answer;
mod chaos;
mod exchange;
mod raw;
mod site;
#[path = "../world/mod.rs"]
mod world;

use std::time::Duration;

use exchange::Visitor;
use raw::Raw;
use sc_proto::{CacheLimits, Config, Event, ListenerId};
use world::{CoreId, World};

/// Most connections of each kind at once.
const MOST: usize = 12;

/// The bytes of a flow: `tag` names it.
pub(crate) fn pattern(tag: usize, offset: usize) -> u8 {
    (tag.wrapping_mul(101) ^ offset.wrapping_mul(31) ^ (offset >> 8).wrapping_mul(7)) as u8
}

pub(crate) fn patterned(tag: usize, from: usize, n: usize) -> Vec<u8> {
    (from..from + n).map(|at| pattern(tag, at)).collect()
}

pub(crate) struct Sim {
    pub(crate) world: World,
    pub(crate) home: CoreId,
    pub(crate) proxy: ListenerId,
    /// Connections of the client.
    pub(crate) connections: u8,
    /// Connections with CONNECT, and with plain HTTP.
    raws: Vec<Raw>,
    visitors: Vec<Visitor>,
    /// Sessions that have ended, as far as the model knows.
    downs: usize,
    /// Whether the embedder interferes.
    chaos: bool,
    /// The session takes no new streams.
    pub(crate) draining: bool,
    /// A core was told to stop.
    pub(crate) stopping: bool,
}

impl Sim {
    fn new(seed: u64) -> Self {
        let small = seed.is_multiple_of(3);
        let workers = 1 + (seed % 2) as usize;
        let mut world = World::with_server_workers(seed, workers, |config: &mut Config| {
            if seed % 5 < 3 {
                config.cache = CACHE;
            }
            if small {
                config.kgp.max_streams = 3 + (seed % 5) as u32;
                config.kgp.initial_window = 1024;
                config.kgp.window_pool = (seed % 7) * 30_000;
                config.kgp.max_retained = 256 * 1024;
            }
        });
        world.capacity = [700, 9_000, 64 * 1024, 1 << 20][(seed / 3 % 4) as usize];
        let home = workers - 1;
        let proxy = world.add_tunnel(home);
        let connections = [1, 2, 5][(seed / 2 % 3) as usize];
        world.connect_all(world::CLIENT, connections);
        world.run();
        Self {
            world,
            home,
            proxy,
            connections,
            raws: Vec::new(),
            visitors: Vec::new(),
            downs: 0,
            chaos: seed.is_multiple_of(2),
            draining: false,
            stopping: false,
        }
    }

    fn step(&mut self) {
        match self.world.random(20) {
            0 => self.new_raw(),
            1 => self.new_visitor(),
            2..=9 => self.a_raw_does_something(),
            10..=17 => self.a_visitor_does_something(),
            18 => {
                let ms = [1, 30, 400][self.world.random(3)];
                self.world.pass(Duration::from_millis(ms));
            }
            _ if self.chaos => self.interfere(),
            _ => {}
        }
        match self.world.random(10) {
            0 => self.world.run(),
            _ => {
                let steps = self.world.random(60);
                self.world.run_some(steps);
            }
        }
        self.meet_sites();
        self.note_losses();
    }

    /// Gives sites that were reached to those who asked for them.
    fn meet_sites(&mut self) {
        while let Some((target, end)) = self.world.sites.pop_front() {
            let name = target.split('.').next().unwrap();
            let (kind, number) = name.split_at(1);
            match kind {
                "r" => self.raws[number.parse::<usize>().unwrap()].met(end),
                "h" => {
                    let (visitor, request) = number.split_once('x').unwrap();
                    let visitor = &mut self.visitors[visitor.parse::<usize>().unwrap()];
                    visitor.met(&mut self.world, request.parse().unwrap(), end);
                }
                other => panic!("a site named {other}"),
            }
        }
    }

    /// A session that ended took with it what it carried.
    fn note_losses(&mut self) {
        let down = |event: &Event| matches!(event, Event::TunnelDown { .. });
        let downs = self.world.events.iter().filter(|(_, event)| down(event)).count();
        let sessions = |core: usize| self.world.cores[core].statistics().sessions;
        let carries = |core: usize| sessions(core) == usize::from(self.connections);
        let up = carries(self.home) && carries(self.world.client()) && !self.stopping;
        let up = up && !self.draining;
        self.draining &= downs == self.downs;
        if downs != self.downs || !up {
            self.downs = downs;
            self.excuse_all();
        }
    }

    /// What runs now may fail through nobody's fault.
    pub(crate) fn excuse_all(&mut self) {
        self.raws.iter_mut().for_each(|raw| raw.excused = true);
        self.visitors.iter_mut().for_each(|visitor| visitor.excused = true);
    }

    fn new_raw(&mut self) {
        if self.raws.iter().filter(|raw| !raw.is_over(&self.world)).count() < MOST {
            let number = self.raws.len();
            if let Some(raw) = Raw::new(&mut self.world, self.home, self.proxy, number) {
                self.raws.push(raw);
            }
        }
    }

    fn new_visitor(&mut self) {
        if self.visitors.iter().filter(|v| !v.is_over(&self.world)).count() < MOST {
            let number = self.visitors.len();
            if let Some(visitor) = Visitor::new(&mut self.world, self.home, self.proxy, number) {
                self.visitors.push(visitor);
            }
        }
    }

    fn a_raw_does_something(&mut self) {
        let recent = self.raws.len().min(MOST);
        if recent > 0 {
            let number = self.raws.len() - 1 - self.world.random(recent);
            self.raws[number].act(&mut self.world);
        }
    }

    fn a_visitor_does_something(&mut self) {
        let recent = self.visitors.len().min(MOST);
        if recent > 0 {
            let number = self.visitors.len() - 1 - self.world.random(recent);
            self.visitors[number].act(&mut self.world);
        }
    }

    /// Everybody finishes what was begun and reads what comes.
    fn calm_down(&mut self) {
        self.world.hanging = false;
        self.world.capacity = self.world.capacity.max(64 * 1024);
        let mut calm = false;
        for round in 0.. {
            self.world.run();
            self.meet_sites();
            self.note_losses();
            let mut moved = false;
            for raw in &mut self.raws {
                moved |= raw.finish(&mut self.world);
            }
            for visitor in &mut self.visitors {
                moved |= visitor.finish(&mut self.world);
            }
            if !moved && calm {
                break;
            }
            // A session that was cut off again and again waits before it tries once more. A core
            // that stops takes no transport any more, and a session that only the server knows,
            // as its WELCOME was lost, gets none: there the grace must end.
            calm = !moved;
            if calm {
                let sessions = |core: usize| self.world.cores[core].statistics().sessions;
                let is_lost = sessions(self.world.client()) < sessions(self.home);
                let seconds = if self.stopping || is_lost { 61 } else { 6 };
                self.world.pass(Duration::from_secs(seconds));
            }
            assert!(round < 100_000, "it does not calm down");
        }
    }

    /// All have ended well, and the cores hold nothing any more.
    fn check_rest(&mut self) {
        for raw in &mut self.raws {
            raw.check_end(&self.world);
        }
        for visitor in &mut self.visitors {
            visitor.check_end(&self.world);
        }
        // What lingers goes, and all is acknowledged.
        self.world.pass(Duration::from_secs(21));
        for (id, core) in self.world.cores.iter().enumerate() {
            let now = core.statistics();
            let clean = now.streams == 0
                && now.proxied == 0
                && now.transports == now.sessions
                && now.buffered == 0
                && now.retained == 0
                && now.waiting == 0
                && now.cached <= CACHE.total;
            assert!(clean, "core {id} holds {now:?}");
        }
    }
}

/// Some answers fit in, some do not.
const CACHE: CacheLimits = CacheLimits { total: 300_000, tunnel: 300_000, object: 90_000 };

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn simulate(seed: u64) {
    let mut sim = Sim::new(seed);
    for _ in 0..variable("SC_SIM_STEPS").unwrap_or(400) {
        sim.step();
    }
    sim.calm_down();
    sim.check_rest();
    sim.check_stop();
}

#[test]
fn whatever_happens_every_byte_arrives_once_and_all_comes_to_rest() {
    let seeds = match variable("SC_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..variable("SC_SIM_SEEDS").unwrap_or(200) + 1,
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| simulate(seed));
        if let Err(panic) = outcome {
            eprintln!("SC_SIM_SEED={seed} fails");
            std::panic::resume_unwind(panic);
        }
    }
}
