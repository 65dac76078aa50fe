//! One name that is being asked for: its IPv4 and its IPv6 addresses, at one server after the other.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::message::{Family, Meaning, Question, QuestionName};
use super::resolver::{Action, ExchangeId, Transport};
use super::servers::Servers;
use crate::random::Random;
use crate::time::Time;

/// How long one family's addresses wait for the other family's (RFC 8305, section 3: some servers
/// never answer to what they do not know).
const OTHER_FAMILY: Duration = Duration::from_millis(300);
/// The longest that addresses of one family are kept when nothing is known of the other.
const HALF_KNOWN: u32 = 10;
/// Most answers that lead on to another name.
const MAX_ALIASES: usize = 8;
/// Datagrams that do not answer the question until TCP is asked, where nobody can throw one in.
const MAX_STRANGERS: usize = 8;

/// A name that is being asked for, and who waits for it.
#[derive(Debug)]
pub(super) struct Lookup<W> {
    pub(super) waiters: Vec<W>,
    /// In the order in which they are asked.
    servers: Vec<SocketAddr>,
    asks: [Ask; 2],
    /// Until when the slower family may still come.
    patience: Option<Time>,
}

/// What a lookup came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// These, for so many seconds.
    Found(Vec<IpAddr>, u32),
    /// The name has no address, for so many seconds.
    Nothing(u32),
    /// No server could say.
    Failed,
}

/// What lookups have in common: what is to be done, and whose exchange is whose.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) actions: VecDeque<Action>,
    pub(super) exchanges: BTreeMap<ExchangeId, (Box<str>, Family)>,
    pub(super) servers: Servers,
    pub(super) random: Random,
    pub(super) timeout: Duration,
    pub(super) last_id: usize,
}

/// The question for one family.
#[derive(Debug)]
struct Ask {
    /// The name that everybody waits for.
    key: Box<str>,
    /// What is asked for now: it, or what it is an alias of.
    name: QuestionName,
    family: Family,
    aliases: usize,
    /// For how long what was found on the way holds.
    seconds: u32,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Asking(Exchange),
    Over(Told),
}

/// What one family came to.
#[derive(Debug)]
enum Told {
    Found(Vec<IpAddr>),
    Nothing(Option<u32>),
    Failed,
}

/// One question to one server.
#[derive(Debug)]
struct Exchange {
    id: ExchangeId,
    question: Question,
    /// The place of its server in the order.
    attempt: usize,
    transport: Transport,
    deadline: Time,
    /// What has come by TCP.
    inbox: Vec<u8>,
    strangers: usize,
}

impl<W> Lookup<W> {
    /// Asks for both families.
    pub(super) fn begin(key: &str, name: &QuestionName, out: &mut Outbox, now: Time) -> Self {
        let servers = out.servers.for_name(now);
        let asks = [Family::V6, Family::V4].map(|family| {
            let mut ask = Ask {
                key: key.into(),
                name: name.clone(),
                family,
                aliases: 0,
                seconds: u32::MAX,
                stage: Stage::Over(Told::Failed),
            };
            ask.open(&servers, 0, Transport::Udp, out, now);
            ask
        });
        Self { waiters: Vec::new(), servers, asks, patience: None }
    }

    /// Takes what a server says.
    pub(super) fn received(
        &mut self,
        id: ExchangeId,
        from: SocketAddr,
        bytes: &[u8],
        out: &mut Outbox,
        now: Time,
    ) {
        for ask in &mut self.asks {
            if ask.exchange().is_some_and(|exchange| exchange.id == id) {
                return ask.received(&self.servers, from, bytes, out, now);
            }
        }
    }

    /// An exchange has failed: the next server is asked.
    pub(super) fn failed(&mut self, id: ExchangeId, out: &mut Outbox, now: Time) {
        for ask in &mut self.asks {
            if ask.exchange().is_some_and(|exchange| exchange.id == id) {
                return ask.silent(&self.servers, out, now);
            }
        }
    }

    /// When [`Lookup::expire`] has something to do.
    pub(super) fn deadline(&self) -> Option<Time> {
        let asks = self.asks.iter().filter_map(|ask| Some(ask.exchange()?.deadline));
        asks.chain(self.patience).min()
    }

    /// Asks the next server where one was silent for too long.
    pub(super) fn expire(&mut self, out: &mut Outbox, now: Time) {
        for ask in &mut self.asks {
            if ask.exchange().is_some_and(|exchange| exchange.deadline <= now) {
                ask.silent(&self.servers, out, now);
            }
        }
        if self.patience.is_some_and(|until| until <= now) {
            self.asks.iter_mut().for_each(|ask| ask.give_up(out));
        }
    }

    /// What it came to, once nothing is awaited any more.
    pub(super) fn outcome(&mut self, now: Time) -> Option<Outcome> {
        let [Stage::Over(one), Stage::Over(other)] = self.asks.each_ref().map(|ask| &ask.stage)
        else {
            let has_some = |ask: &Ask| matches!(ask.stage, Stage::Over(Told::Found(_)));
            if self.patience.is_none() && self.asks.iter().any(has_some) {
                self.patience = Some(now.after(OTHER_FAMILY));
            }
            return None;
        };
        let seconds = self.asks.iter().map(|ask| ask.seconds).min().unwrap_or(0);
        Some(match (one, other) {
            (Told::Found(one), Told::Found(other)) => {
                Outcome::Found([one.as_slice(), other.as_slice()].concat(), seconds)
            }
            (Told::Found(found), Told::Nothing(_)) | (Told::Nothing(_), Told::Found(found)) => {
                Outcome::Found(found.clone(), seconds)
            }
            (Told::Found(found), Told::Failed) | (Told::Failed, Told::Found(found)) => {
                Outcome::Found(found.clone(), seconds.min(HALF_KNOWN))
            }
            (Told::Nothing(one), Told::Nothing(other)) => {
                Outcome::Nothing([*one, *other].into_iter().flatten().min().unwrap_or(0))
            }
            (Told::Failed, _) | (_, Told::Failed) => Outcome::Failed,
        })
    }
}

impl Ask {
    const fn exchange(&self) -> Option<&Exchange> {
        match &self.stage {
            Stage::Asking(exchange) => Some(exchange),
            Stage::Over(_) => None,
        }
    }

    /// Asks one server, if there are so many.
    fn open(
        &mut self,
        servers: &[SocketAddr],
        attempt: usize,
        transport: Transport,
        out: &mut Outbox,
        now: Time,
    ) {
        self.close(out);
        let question = Question {
            id: u16::from_be_bytes(out.random.bytes()),
            name: self.name.clone(),
            family: self.family,
        };
        let (Some(server), Some(message)) = (servers.get(attempt), question.bytes()) else {
            return self.over(Told::Failed, out);
        };
        out.last_id += 1;
        let id = ExchangeId(out.last_id);
        let message = match transport {
            Transport::Udp => message,
            Transport::Tcp => with_length(&message),
        };
        out.actions.push_back(Action::Open { exchange: id, server: *server, transport, message });
        out.exchanges.insert(id, (self.key.clone(), self.family));
        let deadline = now.after(out.timeout);
        self.stage = Stage::Asking(Exchange {
            id,
            question,
            attempt,
            transport,
            deadline,
            inbox: Vec::new(),
            strangers: 0,
        });
    }

    fn received(
        &mut self,
        servers: &[SocketAddr],
        from: SocketAddr,
        bytes: &[u8],
        out: &mut Outbox,
        now: Time,
    ) {
        let Stage::Asking(exchange) = &mut self.stage else { return };
        let server = servers.get(exchange.attempt);
        let meaning = match exchange.transport {
            _ if server != Some(&from) => Meaning::Foreign,
            Transport::Udp => exchange.question.read(bytes),
            Transport::Tcp => match framed(&mut exchange.inbox, bytes) {
                None => return,
                Some(message) => exchange.question.read(message),
            },
        };
        let (attempt, transport) = (exchange.attempt, exchange.transport);
        if meaning != Meaning::Foreign {
            out.servers.answered(from);
        }
        match (meaning, transport) {
            (Meaning::Foreign, Transport::Udp) => {
                exchange.strangers += 1;
                if exchange.strangers > MAX_STRANGERS {
                    self.open(servers, attempt, Transport::Tcp, out, now);
                }
            }
            (Meaning::Truncated, Transport::Udp) => {
                self.open(servers, attempt, Transport::Tcp, out, now);
            }
            (Meaning::Foreign | Meaning::Truncated, Transport::Tcp) | (Meaning::Unable, _) => {
                self.open(servers, attempt + 1, Transport::Udp, out, now);
            }
            (Meaning::Alias(name, seconds), _) => {
                self.aliases += 1;
                self.seconds = self.seconds.min(seconds);
                self.name = name;
                match self.aliases > MAX_ALIASES {
                    true => self.over(Told::Failed, out),
                    false => self.open(servers, attempt, Transport::Udp, out, now),
                }
            }
            (Meaning::Addresses(found, seconds), _) => {
                self.seconds = self.seconds.min(seconds);
                self.over(Told::Found(found), out);
            }
            (Meaning::Nothing(seconds), _) => self.over(Told::Nothing(seconds), out),
        }
    }

    /// The server gave no sign of life: the next one.
    fn silent(&mut self, servers: &[SocketAddr], out: &mut Outbox, now: Time) {
        let Some(exchange) = self.exchange() else { return };
        let attempt = exchange.attempt;
        // By TCP it is asked only when it has answered already.
        if let (Some(server), Transport::Udp) = (servers.get(attempt), exchange.transport) {
            out.servers.silent(*server, now);
        }
        self.open(servers, attempt + 1, Transport::Udp, out, now);
    }

    /// Waits no longer.
    fn give_up(&mut self, out: &mut Outbox) {
        if self.exchange().is_some() {
            self.over(Told::Failed, out);
        }
    }

    fn over(&mut self, told: Told, out: &mut Outbox) {
        self.close(out);
        self.stage = Stage::Over(told);
    }

    fn close(&self, out: &mut Outbox) {
        if let Some(exchange) = self.exchange()
            && out.exchanges.remove(&exchange.id).is_some()
        {
            out.actions.push_back(Action::Close(exchange.id));
        }
    }
}

/// A message as it goes by TCP (RFC 1035, section 4.2.2).
fn with_length(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), message].concat()
}

/// Takes bytes that came by TCP; the message, once it is whole. Its length has 16 bits, which is
/// their bound.
fn framed<'a>(inbox: &'a mut Vec<u8>, bytes: &[u8]) -> Option<&'a [u8]> {
    let room = (2 + usize::from(u16::MAX)).saturating_sub(inbox.len());
    inbox.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    let (length, rest) = inbox.split_first_chunk()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}
