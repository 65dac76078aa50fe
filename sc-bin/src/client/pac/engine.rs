//! One PAC script in a JavaScript engine (QuickJS), with limits of time and memory.
//!
//! The script sees the language and the functions of `helpers.js`: no files, no network but name
//! resolution, no timers.

use std::cell::Cell;
use std::net::{IpAddr, ToSocketAddrs as _, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::runtime::NameServers;
use rquickjs::{CatchResultExt as _, Context, Ctx, Function, Object, Runtime, Type, Value};

/// Most memory that a script may have.
const MEMORY: usize = 64 << 20;
/// Most stack, in bytes.
const STACK: usize = 512 << 10;
/// How long a script may run for one answer, name resolution included as far as it returns.
const TIME: Duration = Duration::from_secs(5);
/// Longest text that a script may log, in bytes.
const LOGGED: usize = 1000;

const HELPERS: &str = include_str!("helpers.js");

/// A script that has been loaded.
pub(super) struct Engine {
    context: Context,
    until: Rc<Cell<Instant>>,
    entry: &'static str,
}

/// A script cannot be used, or has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScriptError {
    /// No engine.
    #[error("the JavaScript engine does not start: {0}")]
    Engine(String),
    /// Not JavaScript, or an error while it ran.
    #[error("{0}")]
    Threw(String),
    /// Neither function is there.
    #[error("it defines neither FindProxyForURL nor FindProxyForURLEx")]
    NoFunction,
    /// Both are: which is meant?
    #[error("it defines both FindProxyForURL and FindProxyForURLEx")]
    TwoFunctions,
    /// It ran too long.
    #[error("it ran for more than {} s", TIME.as_secs())]
    TooLong,
    /// An answer that is no text.
    #[error("it answered with {0} instead of a text")]
    NoText(&'static str),
}

impl Engine {
    /// Loads a script and runs it once, so that its functions are defined.
    /// `names` are asked when the script asks for a name; `None`: the system's resolver is.
    pub(super) fn load(script: &str, names: Option<NameServers>) -> Result<Self, ScriptError> {
        let engine = |error: rquickjs::Error| ScriptError::Engine(error.to_string());
        let runtime = Runtime::new().map_err(engine)?;
        runtime.set_memory_limit(MEMORY);
        runtime.set_max_stack_size(STACK);
        let until = Rc::new(Cell::new(Instant::now() + TIME));
        let limit = Rc::clone(&until);
        runtime.set_interrupt_handler(Some(Box::new(move || Instant::now() >= limit.get())));
        let context = Context::full(&runtime).map_err(engine)?;
        context.with(|ctx| host(&ctx, names)).map_err(engine)?;
        let mut loaded = Self { context, until, entry: "" };
        loaded.run(|ctx| ctx.eval::<(), _>(HELPERS))?;
        loaded.run(|ctx| {
            let mut options = rquickjs::context::EvalOptions::default();
            // Scripts are older than strict mode.
            options.strict = false;
            ctx.eval_with_options::<(), _>(script, options)
        })?;
        let defined = |name| {
            loaded.context.with(|ctx| {
                ctx.globals().get::<_, Value<'_>>(name).is_ok_and(|value| value.is_function())
            })
        };
        loaded.entry = match (defined("FindProxyForURL"), defined("FindProxyForURLEx")) {
            (true, false) => "FindProxyForURL",
            (false, true) => "FindProxyForURLEx",
            (false, false) => return Err(ScriptError::NoFunction),
            (true, true) => return Err(ScriptError::TwoFunctions),
        };
        Ok(loaded)
    }

    /// Asks the script.
    pub(super) fn ask(&self, url: &str, host: &str) -> Result<String, ScriptError> {
        let answer = self.run(|ctx| {
            let entry: Function<'_> = ctx.globals().get(self.entry)?;
            let answer: Value<'_> = entry.call((url, host))?;
            Ok(match answer.type_of() {
                Type::String => Ok(answer.get::<String>()?),
                Type::Null => Err("null"),
                Type::Undefined => Err("undefined"),
                Type::Bool => Err("a boolean"),
                Type::Int | Type::Float => Err("a number"),
                _ => Err("an object"),
            })
        })?;
        answer.map_err(ScriptError::NoText)
    }

    /// Runs something within the limits.
    fn run<T>(
        &self,
        work: impl for<'js> FnOnce(&Ctx<'js>) -> rquickjs::Result<T>,
    ) -> Result<T, ScriptError> {
        self.until.set(Instant::now() + TIME);
        self.context.with(|ctx| {
            work(&ctx).catch(&ctx).map_err(|error| match Instant::now() >= self.until.get() {
                true => ScriptError::TooLong,
                false => ScriptError::Threw(shortened(&error.to_string())),
            })
        })
    }
}

/// Gives the script's functions what only the host can do.
fn host(ctx: &Ctx<'_>, names: Option<NameServers>) -> rquickjs::Result<()> {
    let globals: Object<'_> = ctx.globals();
    let resolve = move |name: String| resolve(&name, names.as_ref());
    globals.set("__resolve", Function::new(ctx.clone(), resolve)?)?;
    globals.set("__myAddresses", Function::new(ctx.clone(), my_addresses)?)?;
    globals.set(
        "__log",
        Function::new(ctx.clone(), |text: String| log::info!("PAC script: {}", shortened(&text)))?,
    )
}

/// The addresses of a name.
fn resolve(name: &str, names: Option<&NameServers>) -> Vec<String> {
    let literal = name.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let found: Vec<IpAddr> = match literal {
        Some(ip) => vec![ip],
        None if name.is_empty() || name.len() > 253 => Vec::new(),
        None => match names {
            Some(names) => names.lookup(name, TIME).unwrap_or_default(),
            None => (name, 0)
                .to_socket_addrs()
                .map_or(Vec::new(), |found| found.map(|address| address.ip()).collect()),
        },
    };
    let mut texts: Vec<String> = Vec::new();
    for text in found.iter().map(IpAddr::to_string) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// The addresses that this machine sends from. Nothing is sent to find them out: connecting a
/// datagram socket only asks for the route. The destinations are of the blocks for documentation
/// (RFC 5737, RFC 3849).
fn my_addresses() -> Vec<String> {
    [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")]
        .into_iter()
        .filter_map(|(from, to)| {
            let socket = UdpSocket::bind(from).ok()?;
            socket.connect(to).ok()?;
            Some(socket.local_addr().ok()?.ip().to_string())
        })
        .collect()
}

/// A text of the script, fit for a log.
fn shortened(text: &str) -> String {
    let plain = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(LOGGED).collect()
}

#[cfg(test)]
mod tests;
