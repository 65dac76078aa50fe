//! Chromium as DevTools see it: what a page logs, and what of it fails.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use super::Profile;
use crate::process::Process;
use crate::wait::PATIENCE;

/// A running Chromium with one page.
#[derive(Debug)]
pub struct DevTools {
    _chromium: Process,
    _profile: Profile,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    session: String,
    next_id: u64,
    /// What it told by itself.
    pub events: Vec<Value>,
}

impl DevTools {
    /// Starts it with an empty page.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start(profile: Profile, proxy: SocketAddr) -> Self {
        let mut command: Command = profile.command(proxy);
        command.args(["--remote-debugging-port=0", "about:blank"]);
        let chromium = Process::start("chromium", command);
        let url = chromium.wait_for("its DevTools", |line| {
            line.split_once("DevTools listening on ").map(|(_, url)| url.trim().to_owned())
        });
        let (socket, _) = tungstenite::connect(&url).expect("DevTools answer");
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        }
        let mut tools = Self {
            _chromium: chromium,
            _profile: profile,
            socket,
            session: String::new(),
            next_id: 0,
            events: Vec::new(),
        };
        let page = tools.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = tools.ask("Target.attachToTarget", attach);
        tools.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Log", "Network", "Security", "Runtime", "Audits"] {
            tools.ask(&format!("{domain}.enable"), json!({}));
        }
        tools
    }

    /// Calls a method and waits for its result; what else comes is kept.
    ///
    /// # Panics
    /// If it fails.
    pub fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.next_id += 1;
        let mut message = json!({"id": self.next_id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let text = message.to_string();
        self.socket.send(Message::text(text)).expect("DevTools take a message");
        loop {
            let answer = self.read();
            if answer["id"] == json!(self.next_id) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn read(&mut self) -> Value {
        loop {
            let message = self.socket.read().expect("DevTools speak");
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).expect("JSON");
            }
        }
    }

    /// Loads a page and waits for its `load` event.
    ///
    /// # Panics
    /// If that does not come.
    pub fn load(&mut self, url: &str) {
        let result = self.ask("Page.navigate", json!({"url": url}));
        assert!(result["errorText"].is_null(), "{url}: {result}");
        while !self.told("Page.loadEventFired") {
            let event = self.read();
            self.events.push(event);
        }
    }

    /// Waits for the promise that an expression is, and gives what it comes to.
    ///
    /// # Panics
    /// If it fails.
    pub fn wait_for(&mut self, expression: &str) -> Value {
        let parameters =
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.ask("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{result}");
        result["result"]["value"].clone()
    }

    fn told(&self, method: &str) -> bool {
        self.events.iter().any(|event| event["method"] == method)
    }

    /// What DevTools would show in red or yellow: log entries, failed loads, issues, and a state of
    /// security that is not `secure`.
    pub fn complaints(&self) -> Vec<&Value> {
        let is_complaint = |event: &&Value| {
            let parameters = &event["params"];
            match event["method"].as_str() {
                Some("Log.entryAdded") => parameters["entry"]["level"] != "verbose",
                // A page that closes its own source of events cancels that.
                Some("Network.loadingFailed") => parameters["canceled"] != true,
                Some("Audits.issueAdded" | "Runtime.exceptionThrown") => true,
                Some("Security.visibleSecurityStateChanged") => {
                    let state = &parameters["visibleSecurityState"]["securityState"];
                    state == "insecure" || state == "insecure-broken"
                }
                _ => false,
            }
        };
        self.events.iter().filter(is_complaint).collect()
    }
}
