//! `sc run --pool-size N`: a process that keeps N clients of one pool.
//!
//! Each member is a process of its own, the same program with the same arguments: what brings one
//! down, or makes it slow with age, leaves the others alone, and a renewed one is of the program
//! as it is on disk by then. `roster` decides, `member` starts and hears processes, `page` shows
//! how the pool stands.

mod member;
mod page;
mod roster;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::console::Console;
use super::failure::Failure;
use super::line::{Line, Speaker as _};
use super::status::{OwnFile, failed, remove_left_over};
use super::{Inputs, plane};
use crate::cli::{Exit, Monitoring, Settings};
use crate::interrupt;
use crate::logs::LogError;
use crate::monitor::{Notice, ServiceManager};
use member::Member;
use page::{Page, Standing};
use roster::{KeptPool, Loss, MemberId, Order, Roster};

/// News that may wait; members wait with their lines when it is full.
const QUEUE: usize = 256;
/// What a member says when it is ready, in the words that wrappers wait for.
const READY: &str = "Sauce Connect is up, you may start your tests";

/// What happens to a pool.
#[derive(Debug)]
enum News {
    /// A member printed something.
    Line(MemberId, String),
    /// It ended; with an exit code unless it was killed.
    Ended(MemberId, Option<u8>),
    /// SIGINT or SIGTERM.
    End,
    /// SIGHUP.
    Renew,
}

/// Runs `sc run --pool-size N`: as the keeper, or as a member.
pub(crate) fn run_of_pool(mut settings: Settings, size: u16, log: Result<(), LogError>) -> Exit {
    if member::is_this() {
        // These are the keeper's.
        settings.monitoring = Monitoring::default();
        return super::run(&settings, log);
    }
    let mut console = Console::of_process(settings.dialect, &settings.logging);
    let pool = KeptPool { size: usize::from(size), max_age: settings.sharing.max_age };
    let kept = super::log_started(log)
        .and_then(|()| Keeper::start(&settings, pool, &mut console))
        .map(Keeper::run);
    let exit = kept.unwrap_or_else(|failure| {
        console.fail(&failure);
        failure.exit()
    });
    console.say(&Line::Goodbye);
    exit
}

/// Has a member end with its keeper. For all other processes nothing.
pub(super) fn watch_keeper(inputs: &Inputs) {
    if member::is_this() {
        member::end_with_keeper(inputs.sender.clone());
    }
}

struct Keeper<'a> {
    roster: Roster,
    members: BTreeMap<MemberId, Member>,
    /// As it was when this process began: the file may be another one by now.
    program: PathBuf,
    sender: SyncSender<News>,
    news: Receiver<News>,
    standing: Arc<Mutex<Standing>>,
    // Kept for their end.
    _pages: Vec<Page>,
    _pid_file: Option<OwnFile>,
    ready_path: Option<PathBuf>,
    name: String,
    /// The ready file, while it is there.
    ready_file: Option<OwnFile>,
    manager: ServiceManager,
    console: &'a mut Console<io::Stdout, io::Stderr>,
}

impl<'a> Keeper<'a> {
    fn start(
        settings: &Settings,
        pool: KeptPool,
        console: &'a mut Console<io::Stdout, io::Stderr>,
    ) -> Result<Self, Failure> {
        let machine =
            |what| move |error: io::Error| Failure::Machine { what, error: error.to_string() };
        let (sender, news) = mpsc::sync_channel(QUEUE);
        let standing = Arc::<Mutex<Standing>>::default();
        let pages = Page::start(settings, &standing)?;
        let Monitoring { pid_file, ready_file, metrics_address, .. } = &settings.monitoring;
        let pid_file = pid_file.as_deref().map(|path| {
            let content = format!("{}\n", std::process::id());
            OwnFile::write(path, content).map_err(|error| failed("--pidfile", path, &error))
        });
        if let Some(path) = ready_file {
            remove_left_over(path).map_err(|error| failed("--readyfile", path, &error))?;
        }
        watch_signals(sender.clone()).map_err(machine("signals cannot be taken"))?;
        let name = settings.name.as_ref().map_or("", |name| name.as_str());
        console.say(&Line::Pool(format!("keeping {} tunnels in the pool {name:?}", pool.size)));
        for page in &pages {
            console.say(&page.line());
        }
        if metrics_address.is_some() {
            let text = "--metrics-address serves nothing with --pool-size";
            console.say(&Line::Pool(text.to_owned()));
        }
        Ok(Self {
            roster: Roster::new(pool, plane::random_u64()?, Instant::now()),
            members: BTreeMap::new(),
            program: std::env::current_exe().map_err(machine("this program is not found"))?,
            sender,
            news,
            standing,
            _pages: pages,
            _pid_file: pid_file.transpose()?,
            ready_path: ready_file.clone(),
            name: name.to_owned(),
            ready_file: None,
            manager: ServiceManager::of_process(),
            console,
        })
    }

    fn run(mut self) -> Exit {
        let mut next_alive = self.manager.watchdog().map(|wait| Instant::now() + wait);
        loop {
            let now = Instant::now();
            let orders = self.roster.orders(now);
            self.carry_out(&orders);
            self.show();
            if let Some(exit) = self.roster.ended() {
                self.manager.tell(Notice::Stopping);
                return exit;
            }
            let due = [self.roster.next(now), next_alive].into_iter().flatten().min();
            let patience =
                due.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(now));
            match self.news.recv_timeout(patience) {
                Ok(news) => self.take(news),
                Err(RecvTimeoutError::Timeout) => {}
                // Cannot be: this value holds a sender itself.
                Err(RecvTimeoutError::Disconnected) => return Exit::Failed,
            }
            if let (Some(due), Some(wait)) = (next_alive, self.manager.watchdog())
                && due <= Instant::now()
            {
                self.manager.tell(Notice::Alive);
                next_alive = Some(Instant::now() + wait);
            }
        }
    }

    fn take(&mut self, news: News) {
        match news {
            // The end of its line, as text or as JSON.
            News::Line(id, line) if line.trim_end_matches(['.', '"', '}']).ends_with(READY) => {
                let (ready, wanted) = (self.roster.ready() + 1, self.roster.wanted());
                self.say(format!("member {id} is ready, {ready} of {wanted}"));
                if self.roster.on_ready(id, Instant::now()) {
                    self.console.say(&Line::Ready);
                    self.manager.tell(Notice::Ready);
                    self.write_ready_file();
                }
            }
            News::Line(id, line) => {
                // A closed terminal or pipe is no reason to end.
                let _ = writeln!(io::stdout(), "member {id}: {line}");
            }
            News::Ended(id, code) => self.lost(id, code),
            News::Renew => {
                self.say("renewing all members, one after the other".to_owned());
                self.roster.renew();
            }
            News::End => {
                self.say("ending all members; running jobs may finish".to_owned());
                self.manager.tell(Notice::Stopping);
                self.ready_file = None;
                let orders = self.roster.end();
                self.carry_out(&orders);
            }
        }
    }

    fn lost(&mut self, id: MemberId, code: Option<u8>) {
        self.members.remove(&id);
        let how =
            code.map_or("was killed".to_owned(), |code| format!("ended with exit code {code}"));
        let next = match self.roster.on_exit(id, code, Instant::now()) {
            Loss::Expected => "as it was asked to".to_owned(),
            Loss::Replaced(wait) => format!("another one comes in {:.1} s", wait.as_secs_f64()),
            Loss::Taken => "somebody ended it on purpose, so none takes its place until SIGHUP \
                            or the next start"
                .to_owned(),
            Loss::Fatal => {
                for order in self.roster.end() {
                    self.carry_out(&[order]);
                }
                "before the pool was ready, so the pool ends".to_owned()
            }
        };
        self.say(format!("member {id} {how}: {next}"));
    }

    fn carry_out(&mut self, orders: &[Order]) {
        for order in orders {
            match order {
                Order::Start(id) => match Member::start(&self.program, *id, &self.sender) {
                    Ok(member) => {
                        self.say(format!("member {id} starts, process {}", member.pid()));
                        self.members.insert(*id, member);
                    }
                    Err(error) => {
                        self.say(format!("member {id} cannot be started: {error}"));
                        self.roster.on_exit(*id, None, Instant::now());
                    }
                },
                Order::End(id) => {
                    if let Some(member) = self.members.get(id) {
                        member.end();
                    }
                }
            }
        }
    }

    /// Of all that a client's own says there is the name.
    fn write_ready_file(&mut self) {
        let Some(path) = &self.ready_path else { return };
        let content = json!({"tunnelID": "", "tunnelName": self.name, "scProxyPort": "0"});
        match OwnFile::write(path, format!("{content}\n")) {
            Ok(file) => self.ready_file = Some(file),
            Err(error) => {
                log::warn!("the ready file {} cannot be written: {error}", path.display());
            }
        }
    }

    fn say(&mut self, text: String) {
        self.console.say(&Line::Pool(text));
    }

    fn show(&self) {
        let standing = Standing {
            ready: self.roster.ready(),
            wanted: self.roster.wanted(),
            complete: self.roster.is_complete(),
            processes: self.members.values().map(Member::pid).collect(),
        };
        page::update(&self.standing, standing);
    }
}

/// Signals become news, for as long as the process lives.
fn watch_signals(sender: SyncSender<News>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let thread = thread::Builder::new().name("sc-signals".to_owned());
    let watch = move || {
        while let Some(signal) = signals.forever().next() {
            // What comes together is one wish.
            thread::sleep(interrupt::SAME);
            let ends = signal != SIGHUP || signals.pending().any(|other| other != SIGHUP);
            signals.pending().for_each(drop);
            if sender.send(if ends { News::End } else { News::Renew }).is_err() {
                return;
            }
        }
    };
    thread.spawn(watch).map(drop)
}
