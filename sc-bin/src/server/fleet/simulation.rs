//! A fleet that lives and dies in simulated time: how evenly tunnels are placed, and how long those
//! of a dead server are away.
//!
//! The registry, the servers' work and the clients are modelled, with the times and the numbers of
//! statements that `docs/scaling.md` has from measurements; who is dead is told by the real
//! [`Watch`]. That the model places as the registry's statement does is a test, too. The same seed
//! gives the same figures.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::members::Watch;
use crate::server::registry::{Member, MemberStatus};

/// Milliseconds of simulated time.
type Millis = u64;

/// Between heartbeats, and when a member without one is dead; as `FleetSettings` has them.
const BEAT: Millis = 1000;
const TIMEOUT: Millis = 6000;
/// A member so long without a heartbeat gets no tunnel.
const SILENCE: Millis = 3000;
/// Between the polls of a client without a session.
const POLL: Millis = 2000;
/// How long a server has work with making one tunnel: measured, `docs/scaling.md`.
const CREATE: Millis = 9;
/// How long an order may take before it is given to another server.
const ORDER_PATIENCE: Millis = 15_000;
/// Statements of a poll, of the making of a tunnel and of a server's heartbeat: measured.
const POLL_STATEMENTS: u64 = 2;
const CREATE_STATEMENTS: u64 = 21;
const BEAT_STATEMENTS: u64 = 8;
/// Statements a second of a tunnel whose client is well: measured.
const CALM_STATEMENTS: f64 = 0.29;

/// Numbers that look random: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Beat {
        server: usize,
        run: u32,
    },
    Kill {
        server: usize,
    },
    Start {
        server: usize,
    },
    /// A client without a session looks at its record, and asks for a place if it may.
    Look {
        tunnel: usize,
    },
    /// A server is done with making a tunnel.
    Made {
        tunnel: usize,
        server: usize,
        run: u32,
    },
}

struct Server {
    is_up: bool,
    /// Counts its lives: each is another member.
    run: u32,
    capacity: u64,
    carried: u64,
    /// When it is done with what it has been asked to make.
    busy_until: Millis,
    watch: Watch,
    row: Option<Row>,
}

/// A member as the registry has it.
#[derive(Clone, Copy)]
struct Row {
    run: u32,
    beat: i64,
    last_beat: Millis,
    tunnels: u64,
}

#[derive(Clone, Copy)]
struct Tunnel {
    /// Who carries it, in which of its lives.
    at: Option<(usize, u32)>,
    /// Whether the registry says that it may be made.
    is_free: bool,
    lost: Millis,
}

struct Fleet {
    now: Millis,
    start: Instant,
    dice: Dice,
    queue: BinaryHeap<Reverse<(Millis, u64, Happening)>>,
    happenings: u64,
    servers: Vec<Server>,
    tunnels: Vec<Tunnel>,
    figures: Figures,
}

#[derive(Default)]
struct Figures {
    /// How long each tunnel was away, when its server died.
    away: Vec<Millis>,
    /// Tunnels made, by second.
    made: Vec<u64>,
    /// Statements, by second; those of clients that are well not among them.
    statements: Vec<u64>,
    wrong_burials: u64,
    /// The fullest server of any second after the first tunnels were placed, against the mean.
    imbalance: f64,
}

impl Fleet {
    fn new(servers: usize, tunnels: usize, seed: u64) -> Self {
        let mut fleet = Self {
            now: 0,
            start: Instant::now(),
            dice: Dice(seed),
            queue: BinaryHeap::new(),
            happenings: 0,
            servers: Vec::new(),
            tunnels: vec![Tunnel { at: None, is_free: true, lost: 0 }; tunnels],
            figures: Figures::default(),
        };
        // Twice the room that is needed, and no two alike in it.
        let room = 2 * tunnels.div_ceil(servers) as u64;
        for server in 0..servers {
            let capacity = room + fleet.dice.below(room / 4 + 1);
            fleet.servers.push(Server {
                is_up: false,
                run: 0,
                capacity,
                carried: 0,
                busy_until: 0,
                watch: Watch::new(Duration::from_millis(TIMEOUT)),
                row: None,
            });
            fleet.at(0, Happening::Start { server });
        }
        fleet
    }

    fn at(&mut self, then: Millis, happening: Happening) {
        self.happenings += 1;
        self.queue.push(Reverse((then, self.happenings, happening)));
    }

    fn count(of: &mut Vec<u64>, now: Millis, how_many: u64) {
        let second = usize::try_from(now / 1000).unwrap();
        if of.len() <= second {
            of.resize(second + 1, 0);
        }
        of[second] += how_many;
    }

    fn run_until(&mut self, end: Millis) {
        while let Some(Reverse((then, _, _))) = self.queue.peek()
            && *then <= end
        {
            let Some(Reverse((then, _, happening))) = self.queue.pop() else { return };
            self.now = then;
            self.happen(happening);
        }
        self.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Start { server } => {
                let one = &mut self.servers[server];
                (one.is_up, one.run, one.busy_until) = (true, one.run + 1, self.now);
                one.watch = Watch::new(Duration::from_millis(TIMEOUT));
                let run = one.run;
                one.row = Some(Row { run, beat: 0, last_beat: self.now, tunnels: 0 });
                // It knows by its data directory what it left over.
                for tunnel in &mut self.tunnels {
                    if tunnel.at.is_some_and(|(at, of)| at == server && of != run) {
                        (tunnel.at, tunnel.is_free) = (None, true);
                    }
                }
                let phase = self.dice.below(BEAT);
                self.at(self.now + phase, Happening::Beat { server, run });
            }
            Happening::Kill { server } => {
                (self.servers[server].is_up, self.servers[server].carried) = (false, 0);
                for tunnel in 0..self.tunnels.len() {
                    if self.tunnels[tunnel].at.is_some_and(|(at, _)| at == server) {
                        self.tunnels[tunnel].lost = self.now;
                        let soon = self.dice.below(POLL);
                        self.at(self.now + soon, Happening::Look { tunnel });
                    }
                }
            }
            Happening::Beat { server, run } => self.beat(server, run),
            Happening::Look { tunnel } => self.look(tunnel),
            Happening::Made { tunnel, server, run } => {
                let one = &mut self.servers[server];
                if !one.is_up || one.run != run {
                    return self.at(self.now + POLL, Happening::Look { tunnel });
                }
                one.carried += 1;
                self.tunnels[tunnel].at = Some((server, run));
                self.figures.away.push(self.now - self.tunnels[tunnel].lost);
                Self::count(&mut self.figures.made, self.now, 1);
                Self::count(&mut self.figures.statements, self.now, CREATE_STATEMENTS);
            }
        }
    }

    fn beat(&mut self, server: usize, run: u32) {
        let one = &mut self.servers[server];
        if !one.is_up || one.run != run {
            return;
        }
        let carried = one.carried;
        if let Some(row) = &mut one.row {
            (row.beat, row.last_beat, row.tunnels) = (row.beat + 1, self.now, carried);
        }
        Self::count(&mut self.figures.statements, self.now, BEAT_STATEMENTS);
        let members: Vec<Member> = self.servers.iter().enumerate().filter_map(member).collect();
        let now = self.start + Duration::from_millis(self.now);
        for dead in self.servers[server].watch.look(&members, now) {
            let at: usize = dead.address.parse().unwrap();
            self.figures.wrong_burials += u64::from(
                self.servers[at].is_up && {
                    let row = self.servers[at].row.unwrap();
                    row.run == self.servers[at].run
                },
            );
            let gone = self.servers[at].row.take().unwrap().run;
            for tunnel in &mut self.tunnels {
                if tunnel.at == Some((at, gone)) {
                    (tunnel.at, tunnel.is_free) = (None, true);
                }
            }
        }
        self.at(self.now + BEAT, Happening::Beat { server, run });
    }

    fn look(&mut self, tunnel: usize) {
        Self::count(&mut self.figures.statements, self.now, POLL_STATEMENTS);
        let again = self.now + POLL;
        if !self.tunnels[tunnel].is_free {
            return self.at(again, Happening::Look { tunnel });
        }
        let Some(server) = self.place() else {
            return self.at(again, Happening::Look { tunnel });
        };
        let one = &mut self.servers[server];
        let begin = one.busy_until.max(self.now);
        let run = one.run;
        if !one.is_up || begin + CREATE > self.now + ORDER_PATIENCE {
            return self.at(self.now + ORDER_PATIENCE, Happening::Look { tunnel });
        }
        one.busy_until = begin + CREATE;
        let done = one.busy_until;
        self.tunnels[tunnel].is_free = false;
        self.at(done, Happening::Made { tunnel, server, run });
    }

    /// As the registry's statement does it: of those with room and a heart the emptiest, equals by
    /// chance; and it counts at once.
    fn place(&mut self) -> Option<usize> {
        let now = self.now;
        let load = |one: &Server| {
            let row = one.row?;
            let fits = row.tunnels < one.capacity && now - row.last_beat <= SILENCE;
            fits.then(|| row.tunnels * 1_000_000 / one.capacity)
        };
        let least = self.servers.iter().filter_map(load).min()?;
        let equals: Vec<usize> =
            (0..self.servers.len()).filter(|at| load(&self.servers[*at]) == Some(least)).collect();
        let chosen = equals[self.dice.below(equals.len() as u64) as usize];
        self.servers[chosen].row.as_mut()?.tunnels += 1;
        Some(chosen)
    }

    /// The fullest server against the mean, both as parts of their capacity, without those that
    /// have just come.
    fn imbalance(&self, since: &[usize]) -> f64 {
        let up = self.servers.iter().enumerate();
        let up = up.filter(|(at, one)| one.is_up && !since.contains(at));
        let loads: Vec<f64> = up.map(|(_, one)| one.carried as f64 / one.capacity as f64).collect();
        let mean = loads.iter().sum::<f64>() / loads.len() as f64;
        loads.iter().copied().fold(0.0, f64::max) / mean
    }

    fn carried(&self) -> u64 {
        self.servers.iter().map(|one| one.carried).sum()
    }
}

fn member((at, server): (usize, &Server)) -> Option<Member> {
    let row = server.row?;
    Some(Member {
        id: format!("{at}-{}", row.run),
        address: at.to_string(),
        status: MemberStatus::Serving,
        capacity: 0,
        tunnels: 0,
        beat: row.beat,
        last_beat: 0,
    })
}

/// Starts all tunnels within a minute or two, then kills servers, each of which comes back empty
/// after a while; says what was seen as a row of the table in `docs/scaling.md`.
fn story(servers: usize, tunnels: usize, deaths: usize, seed: u64) -> (String, Figures) {
    let mut fleet = Fleet::new(servers, tunnels, seed);
    // As fast as they can be made, with half of the servers' time left.
    let ramp = tunnels as u64 * CREATE * 2 / servers as u64 + 10_000;
    for tunnel in 0..tunnels {
        let then = fleet.dice.below(ramp);
        fleet.tunnels[tunnel].lost = then;
        fleet.at(then, Happening::Look { tunnel });
    }
    let settled = ramp + 60_000;
    fleet.run_until(settled);
    assert_eq!(fleet.carried(), tunnels as u64, "all are there");
    let begun = fleet.imbalance(&[]);
    fleet.figures = Figures { imbalance: begun, ..Figures::default() };
    let (mut now, mut fresh) = (settled, Vec::new());
    for _ in 0..deaths {
        now += 20_000 + fleet.dice.below(20_000);
        let victim = fleet.dice.below(servers as u64) as usize;
        fleet.at(now, Happening::Kill { server: victim });
        // Some are back before anybody noticed.
        let pause = 500 + fleet.dice.below(90_000);
        fleet.at(now + pause, Happening::Start { server: victim });
        fresh.push(victim);
        now += 120_000;
        fleet.run_until(now);
        assert_eq!(fleet.carried(), tunnels as u64, "all are back, seed {seed}");
        let imbalance = fleet.imbalance(&fresh);
        fleet.figures.imbalance = fleet.figures.imbalance.max(imbalance);
    }
    let Fleet { mut figures, .. } = fleet;
    figures.away.sort_unstable();
    let share =
        |of: f64| figures.away[((figures.away.len() - 1) as f64 * of) as usize] as f64 / 1e3;
    let peak = |of: &[u64]| of.iter().copied().max().unwrap_or(0);
    let calm = tunnels as f64 * CALM_STATEMENTS
        + servers as f64 * BEAT_STATEMENTS as f64 / (BEAT as f64 / 1e3);
    let row = format!(
        "| {servers} | {tunnels} | {deaths} | {begun:.3} | {:.3} | {} | {:.1} | {:.1} | {:.1} | {} | {calm:.0} | {} |",
        figures.imbalance,
        figures.away.len(),
        share(0.5),
        share(0.99),
        share(1.0),
        peak(&figures.made),
        peak(&figures.statements),
    );
    (row, figures)
}

/// A table for `docs/scaling.md`; the largest fleet is among them.
#[test]
fn placement_and_failure() {
    println!(
        "| servers | tunnels | deaths | max/mean at first | max/mean of the rest after deaths | placed anew | \
         away, median s | 99 % | longest | placed a second, peak | statements a second, calm | more at a death, peak |"
    );
    for (servers, tunnels, deaths, seed) in [
        (3, 12, 5, 1),
        (3, 1_000, 5, 2),
        (3, 10_000, 5, 3),
        (10, 10_000, 8, 4),
        (10, 50_000, 8, 5),
        (20, 100_000, 8, 6),
        (50, 100_000, 8, 7),
    ] {
        let (row, figures) = story(servers, tunnels, deaths, seed);
        println!("{row}");
        assert_eq!(figures.wrong_burials, 0, "nobody who lives is buried");
        // A tunnel more or less is much among few.
        let slack = 1.02 + 4.0 * servers as f64 / tunnels as f64;
        assert!(figures.imbalance <= slack, "{} > {slack} in {row}", figures.imbalance);
    }
}

/// What the model above takes for granted.
#[tokio::test]
async fn the_registry_places_as_the_model_does() {
    use crate::server::registry::{Newcomer, test_support};

    let (registry, _dir) = test_support::registry().await;
    let mut fleet = Fleet::new(4, 400, 11);
    for at in 0..4 {
        fleet.happen(Happening::Start { server: at });
        let capacity = u32::try_from(fleet.servers[at].capacity).unwrap();
        registry.join(&at.to_string(), "a", capacity, 0).await.unwrap();
    }
    for _ in 0..400 {
        let newcomer = Newcomer { pool: None, without: &[], silence: 60 };
        registry.place(newcomer).await.unwrap().unwrap();
        fleet.place().unwrap();
    }
    for member in registry.members().await.unwrap() {
        let at: usize = member.id.parse().unwrap();
        let modelled = fleet.servers[at].row.unwrap().tunnels;
        // Equals are chosen by chance, so the last ones may differ.
        assert!(u64::from(member.tunnels).abs_diff(modelled) <= 1, "{member:?}: {modelled}");
    }
}
