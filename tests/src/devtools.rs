//! A real Chromium that tests look into and type in, by the DevTools protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>).

use std::cell::RefCell;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::process::Process;
use crate::wait::{self, PATIENCE};

/// A headless browser with a profile of its own, and one page in it.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    _profile: tempfile::TempDir,
    wire: RefCell<Wire>,
}

#[derive(Debug)]
struct Wire {
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    last_id: u64,
    /// What the page complained of: errors of scripts, and what its policy forbade.
    complaints: Vec<String>,
}

/// What the system's owner likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Browser {
    /// Starts one.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("chromium");
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-dev-shm-usage", "--disable-default-apps"])
            .args(["--no-proxy-server", "--force-device-scale-factor=1", "--hide-scrollbars"])
            .args(["--remote-debugging-port=0", "--window-size=1280,900"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank");
        let process = Process::start("chromium", command);
        let url = process.wait_for("its DevTools address", |line| {
            line.split_once("DevTools listening on ").map(|(_, url)| url.trim().to_owned())
        });
        let address = url.trim_start_matches("ws://").split('/').next().unwrap_or_default();
        let stream = TcpStream::connect(address).expect("DevTools listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (socket, _) = tungstenite::client(url.as_str(), stream).expect("a WebSocket");
        let wire = Wire { socket, session: None, last_id: 0, complaints: Vec::new() };
        let browser = Self { process, _profile: profile, wire: RefCell::new(wire) };
        let made = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": made["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", target);
        browser.wire.borrow_mut().session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method of the protocol.
    ///
    /// # Panics
    /// If it fails.
    pub fn call(&self, method: &str, parameters: Value) -> Value {
        match self.wire.borrow_mut().call(method, parameters) {
            Ok(result) => result,
            Err(error) => panic!("{method}: {error}\n{}", self.process.report()),
        }
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Panics
    /// If it does not load.
    pub fn open(&self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.until(&format!("{url} to load"), "document.readyState === 'complete'");
    }

    /// The value of an expression, awaited.
    ///
    /// # Panics
    /// If it throws.
    pub fn value(&self, expression: &str) -> Value {
        self.try_value(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_value(&self, expression: &str) -> Result<Value, String> {
        let parameters =
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.wire.borrow_mut().call("Runtime.evaluate", parameters)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details.to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// The text of an expression's value.
    ///
    /// # Panics
    /// If it is no text.
    pub fn text(&self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
    }

    /// Waits until an expression is true. Another page may be loaded meanwhile.
    ///
    /// # Panics
    /// If it is not in time; the message has the page's text.
    pub fn until(&self, what: &str, expression: &str) {
        let found = wait::for_at_most(PATIENCE, || {
            let value = self.try_value(&format!("Boolean({expression})"));
            (value == Ok(Value::Bool(true))).then_some(())
        });
        if found.is_none() {
            let page = self.try_value("location.href + '\\n' + document.body.innerText");
            panic!("waited {PATIENCE:?} in vain for {what}: {expression}\n{page:?}");
        }
    }

    /// Types a text where the focus is.
    pub fn type_text(&self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Presses a key: `Tab`, `Enter`, `Escape`, `Space`, `ArrowDown`; with `Shift+` before it.
    ///
    /// # Panics
    /// If it is another one.
    pub fn press(&self, key: &str) {
        let (modifiers, name) = match key.strip_prefix("Shift+") {
            Some(name) => (8, name),
            None => (0, key),
        };
        let (key, code, text) = match name {
            "Tab" => ("Tab", 9, None),
            "Enter" => ("Enter", 13, Some("\r")),
            "Escape" => ("Escape", 27, None),
            "Space" => (" ", 32, Some(" ")),
            "ArrowDown" => ("ArrowDown", 40, None),
            other => panic!("no key {other}"),
        };
        let mut down = json!({"type": if text.is_some() { "keyDown" } else { "rawKeyDown" },
            "key": key, "code": name, "windowsVirtualKeyCode": code, "modifiers": modifiers});
        if let Some(text) = text {
            down["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", down.clone());
        down["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", down);
    }

    /// Presses Tab until an expression is true of the page.
    ///
    /// # Panics
    /// If it is not after as many as a page may have stops.
    pub fn tab_to(&self, what: &str, expression: &str) {
        for _ in 0..60 {
            self.press("Tab");
            if self.value(expression) == Value::Bool(true) {
                return;
            }
        }
        panic!("{what} is not reached by Tab; the focus is on {}", self.focus());
    }

    /// The element with the focus, for messages.
    pub fn focus(&self) -> String {
        self.text("document.activeElement.outerHTML.slice(0, 200)")
    }

    /// What the window and its owner are like.
    pub fn emulate(&self, (width, height): (u32, u32), scheme: Scheme) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let feature = json!({"name": "prefers-color-scheme", "value": scheme.name()});
        self.call("Emulation.setEmulatedMedia", json!({"features": [feature]}));
    }

    /// Loads a script file into the page, past its policy.
    ///
    /// # Panics
    /// If it cannot be read or fails.
    pub fn inject(&self, file: &Path) {
        let script = std::fs::read_to_string(file).expect("a script");
        self.value(&format!("{script}; true"));
    }

    /// Writes a picture of the whole page.
    ///
    /// # Panics
    /// If it cannot be taken or written.
    pub fn picture(&self, file: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        let data = BASE64_STANDARD.decode(shot["data"].as_str().expect("data")).expect("base64");
        std::fs::write(file, data).expect("a file of ours");
    }

    /// What the page has complained of so far: errors of scripts, and what its policy forbade.
    pub fn complaints(&self) -> Vec<String> {
        // Whatever was told before this call's answer is in.
        self.value("true");
        self.wire.borrow().complaints.clone()
    }
}

impl Wire {
    fn call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.socket.send(Message::text(message.to_string())).map_err(|error| error.to_string())?;
        loop {
            let message = match self.socket.read().map_err(|error| error.to_string())? {
                Message::Text(text) => text.as_str().to_owned(),
                _ => continue,
            };
            let message: Value =
                serde_json::from_str(&message).map_err(|error| error.to_string())?;
            if message["id"] == id {
                return match message.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(message["result"].clone()),
                };
            }
            self.hear(&message);
        }
    }

    fn hear(&mut self, event: &Value) {
        let entry = &event["params"]["entry"];
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => event["params"]["exceptionDetails"].to_string(),
            Some("Log.entryAdded") if entry["level"] == "error" => entry.to_string(),
            _ => return,
        };
        self.complaints.push(complaint);
    }
}

/// A file that `.ci/run install` has put beside its programs.
///
/// # Panics
/// If it is not there.
pub fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|f| f.is_file());
    found.unwrap_or_else(|| panic!("no {name} on the search path: .ci/run install"))
}
