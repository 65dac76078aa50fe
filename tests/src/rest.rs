//! The REST API as a script uses it.

use std::io;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::http::{Answer, Connection};

/// Someone who calls the API of one server.
#[derive(Clone, Debug)]
pub struct Rest {
    address: SocketAddr,
    user: String,
    authorization: String,
}

impl Rest {
    /// Calls `address` as `user` with the access key `key`.
    pub fn new(address: SocketAddr, user: &str, key: &str) -> Self {
        let credentials = BASE64_STANDARD.encode(format!("{user}:{key}"));
        Self { address, user: user.to_owned(), authorization: format!("Basic {credentials}") }
    }

    /// Calls `method` on `path`, which follows the user's name: `/tunnels?full=1`.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn call(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let Self { address, user, authorization } = self;
        let length = body.len();
        Connection::open(*address)?.exchange(&format!(
            "{method} /rest/v1/{user}{path} HTTP/1.1\r\nHost: {address}\r\n\
             Authorization: {authorization}\r\nContent-Type: application/json\r\n\
             Accept: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    /// GETs a JSON document.
    ///
    /// # Panics
    /// If the answer is not 200 with JSON.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, "").expect("the API answers");
        assert_eq!(answer.status(), 200, "GET {path}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("the answer is JSON")
    }

    /// The records of the user's own running tunnels.
    ///
    /// # Panics
    /// As [`Self::get`].
    pub fn tunnels(&self) -> Vec<Value> {
        match self.get("/tunnels?full=1") {
            Value::Array(records) => records,
            other => panic!("not a list: {other}"),
        }
    }

    /// The record of the running tunnel of this name.
    ///
    /// # Panics
    /// As [`Self::get`].
    pub fn tunnel_named(&self, name: &str) -> Option<Value> {
        self.tunnels().into_iter().find(|record| record["tunnel_identifier"] == name)
    }
}
