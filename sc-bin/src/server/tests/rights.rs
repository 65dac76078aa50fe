//! Every row of the table of rights, by REST; sharing, limits, and who did what.

use serde_json::{Value, json};

use super::users::command;
use super::{Answer, TestServer, basic, request};

/// A server with two teams: `lead`, `ann` and `robot` are in `web`, `far` in `shop`, `admin` in none.
pub(super) struct House {
    pub(super) server: TestServer,
    keys: Vec<(&'static str, String)>,
}

impl House {
    pub(super) fn start() -> Self {
        let server = TestServer::start();
        let add = |line: &str| command(&server, line).unwrap();
        add("team add web");
        add("team add shop");
        let keys = vec![
            ("admin", add("user add admin --role org-admin")),
            ("lead", add("user add lead --role team-admin --team web")),
            ("ann", add("user add ann --team web")),
            ("robot", add("user add robot --role service --team web")),
            ("far", add("user add far --team shop")),
            ("child", add("user add child --parent far")),
        ];
        Self { server, keys }
    }

    pub(super) fn key(&self, who: &str) -> &str {
        &self.keys.iter().find(|(name, _)| *name == who).unwrap().1
    }

    pub(super) fn call(&self, who: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
        let authorization = basic(who, self.key(who));
        request(&self.server.running, method, path, Some(&authorization), body)
    }

    pub(super) fn tunnel(&self, owner: &str, body: &Value) -> String {
        let path = format!("/{owner}/tunnels");
        let (status, made) = self.call(owner, "POST", &path, Some(&body.to_string()));
        assert_eq!(status, 200, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    /// Owners of whose tunnels somebody is told.
    fn sees(&self, who: &str) -> Vec<String> {
        let (status, all) = self.call(who, "GET", &format!("/{who}/tunnels?all=true"), None);
        assert_eq!(status, 200, "{all}");
        let with_tunnels =
            all.as_object().unwrap().iter().filter(|(_, ids)| !ids.as_array().unwrap().is_empty());
        with_tunnels.map(|(owner, _)| owner.clone()).collect()
    }
}

#[test]
fn who_sees_and_uses_what() {
    let house = House::start();
    for owner in ["admin", "lead", "ann", "far"] {
        house.tunnel(owner, &json!({"tunnel_identifier": "private"}));
    }
    for (who, seen) in [
        ("admin", &["admin", "ann", "far", "lead"][..]),
        ("lead", &["ann", "lead"]),
        ("ann", &["ann"]),
        ("robot", &[]),
        ("far", &["far"]),
        ("child", &[]),
    ] {
        assert_eq!(house.sees(who), seen, "{who}, nothing shared");
    }
    for owner in ["admin", "lead", "ann", "far"] {
        house.tunnel(owner, &json!({"tunnel_identifier": "shared", "shared": "all"}));
    }
    for (who, seen) in [
        ("admin", &["admin", "ann", "far", "lead"][..]),
        ("lead", &["admin", "ann", "lead"]),
        ("ann", &["admin", "ann", "lead"]),
        ("robot", &["admin", "ann", "lead"]),
        ("far", &["admin", "far"]),
        ("child", &["admin", "far"]),
    ] {
        assert_eq!(house.sees(who), seen, "{who}, shared");
    }
    house.server.stop();
}

#[test]
fn who_starts_and_ends_what() {
    let house = House::start();
    let (status, refused) = house.call("robot", "POST", "/robot/tunnels", Some("{}"));
    assert_eq!((status, &refused["code"]), (403, &json!("forbidden")));
    // Caller, owner, and what comes of ending a shared tunnel: not seen is not there.
    for (who, owner, status) in [
        ("robot", "ann", 403),
        ("robot", "far", 404),
        ("ann", "admin", 403),
        ("ann", "lead", 403),
        ("ann", "far", 404),
        ("ann", "ann", 200),
        ("lead", "admin", 403),
        ("lead", "far", 404),
        ("lead", "ann", 200),
        ("lead", "lead", 200),
        ("child", "far", 403),
        ("admin", "ann", 200),
        ("admin", "lead", 200),
        ("admin", "far", 200),
        ("admin", "admin", 200),
    ] {
        let id = house.tunnel(owner, &json!({"shared_tunnel": true}));
        for path in [format!("/{owner}/tunnels/{id}"), format!("/{who}/tunnels/{id}")] {
            let (got, answer) = house.call(who, "DELETE", &path, None);
            assert_eq!(got, status, "{who} ends {path} of {owner}: {answer}");
        }
        let beat = json!({"kgp_is_connected": true, "kgp_seconds_since_last_status_change": 1});
        let path = format!("/{who}/tunnels/{id}/connected");
        let (got, _) = house.call(who, "POST", &path, Some(&beat.to_string()));
        assert_eq!(got, status, "{who} speaks for {owner}");
    }
    // In another's name: who is responsible.
    for (who, owner, status) in [
        ("admin", "ann", 200),
        ("far", "child", 200),
        ("admin", "robot", 403),
        ("lead", "ann", 403),
        ("ann", "lead", 403),
        ("ann", "far", 404),
    ] {
        let (got, answer) = house.call(who, "POST", &format!("/{owner}/tunnels"), Some("{}"));
        assert_eq!(got, status, "{who} starts for {owner}: {answer}");
    }
    house.server.stop();
}

#[test]
fn another_organisation_is_not_there() {
    let mut house = House::start();
    command(&house.server, "organisation add other").unwrap();
    let key =
        command(&house.server, "user add boss --role org-admin --organisation other").unwrap();
    house.keys.push(("boss", key));
    let id = house.tunnel("admin", &json!({"shared": "all"}));
    assert_eq!(house.sees("boss"), [""; 0]);
    for path in
        ["/admin/tunnels".to_owned(), format!("/boss/tunnels/{id}"), "/users/ann".to_owned()]
    {
        assert_eq!(house.call("boss", "GET", &path, None).0, 404, "{path}");
    }
    let (_, users) = house.call("boss", "GET", "/users", None);
    assert_eq!(users.as_array().unwrap().len(), 1);
    house.server.stop();
}

#[test]
fn limits_are_held_and_said_as_the_original_says_it() {
    let house = House::start();
    command(&house.server, "organisation set default --tunnel-limit 2").unwrap();
    command(&house.server, "user set ann --tunnel-limit 1").unwrap();
    let create = |who: &str, name: &str| {
        let body = json!({"tunnel_identifier": name}).to_string();
        house.call(who, "POST", &format!("/{who}/tunnels"), Some(&body))
    };
    assert_eq!(create("ann", "a").0, 200);
    let (status, refused) = create("ann", "b");
    assert_eq!((status, &refused["code"]), (400, &json!("too-many-tunnels")));
    assert_eq!(refused["error"], "Too many active tunnels: 2 >= 1");
    assert_eq!(create("ann", "a").0, 200, "it takes the place of its own");
    assert_eq!(create("lead", "a").0, 200);
    let (_, refused) = create("far", "a");
    assert_eq!(refused["error"], "Too many active org tunnels: 3 >= 2");
    let (_, own) = house.call("ann", "GET", "/organisation", None);
    assert_eq!(own, json!({"name": "default", "tunnel_limit": 2, "active_tunnels": 2}));
    command(&house.server, "organisation set default --tunnel-limit none").unwrap();
    assert_eq!(create("far", "a").0, 200);
    house.server.stop();
}

#[test]
fn users_and_teams_are_managed_by_rest() {
    let house = House::start();
    let (status, team) = house.call("admin", "POST", "/teams", Some(r#"{"name": "new"}"#));
    assert_eq!(status, 200, "{team}");
    let team = team["id"].as_str().unwrap();
    let body =
        json!({"username": "eve", "role": "team-admin", "team_ids": [team], "tunnel_limit": 3});
    let (status, eve) = house.call("admin", "POST", "/users", Some(&body.to_string()));
    assert_eq!(status, 200, "{eve}");
    let key = eve["access_key"].as_str().unwrap();
    let as_eve = |method: &str, path: &str, key: &str| {
        request(&house.server.running, method, path, Some(&basic("eve", key)), None)
    };
    let (_, shown) = as_eve("GET", "/users/eve", key);
    assert_eq!(shown["team_ids"], json!([team]));
    assert!(shown["role"] == "team-admin" && shown["access_key"] == Value::Null);
    let (_, rotated) = as_eve("POST", "/users/eve/accesskey/change", key);
    assert_eq!(as_eve("GET", "/users/eve", key).0, 401);
    let key = rotated["access_key"].as_str().unwrap();
    let change = Some(r#"{"role": "member", "tunnel_limit": null}"#);
    let (_, changed) = house.call("admin", "PATCH", "/users/eve", change);
    assert!(changed["role"] == "member" && changed["tunnel_limit"] == Value::Null, "{changed}");
    let membership = format!("/teams/{team}/members/ann");
    assert_eq!(house.call("admin", "PUT", &membership, None).0, 200);
    let (_, teams) = house.call("admin", "GET", "/teams", None);
    let new = teams.as_array().unwrap().iter().find(|one| one["id"] == team).unwrap();
    assert_eq!(new["members"], json!(["ann", "eve"]));
    assert_eq!(house.call("admin", "DELETE", &membership, None).0, 200);
    assert_eq!(house.call("admin", "DELETE", &membership, None).0, 404);
    assert_eq!(house.call("admin", "DELETE", &format!("/teams/{team}"), None).0, 200);
    for (method, path, body) in [
        ("POST", "/users", Some(r#"{"username": "x"}"#)),
        ("PATCH", "/users/ann", change),
        ("DELETE", "/users/ann", None),
        ("POST", "/users/ann/accesskey/change", None),
        ("POST", "/teams", Some(r#"{"name": "x"}"#)),
        ("GET", "/audit", None),
    ] {
        assert_eq!(house.call("lead", method, path, body).0, 403, "{method} {path}");
    }
    assert_eq!(house.call("admin", "DELETE", "/users/eve", None).0, 200);
    assert_eq!(as_eve("GET", "/users/eve", key).0, 401);
    house.server.stop();
}

#[test]
fn who_started_and_ended_a_tunnel_is_on_record() {
    let house = House::start();
    let id = house.tunnel("ann", &json!({"tunnel_identifier": "a"}));
    house.call("lead", "DELETE", &format!("/ann/tunnels/{id}?reason=tidy"), None);
    let (_, deeds) = house.call("admin", "GET", "/audit?limit=2", None);
    let told: Vec<_> = deeds
        .as_array()
        .unwrap()
        .iter()
        .map(|deed| (deed["actor"].clone(), deed["action"].clone(), deed["detail"].clone()))
        .collect();
    let expected = [
        (json!("lead"), json!("tunnel-ended"), json!("tidy")),
        (json!("ann"), json!("tunnel-started"), json!("a")),
    ];
    assert_eq!(told, expected);
    assert!(deeds.as_array().unwrap().iter().all(|deed| deed["subject"] == id.as_str()));
    house.server.stop();
}
