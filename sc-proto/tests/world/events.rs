//! What the cores have told.

use std::collections::BTreeMap;

use sc_proto::Event;
use sc_proto::contract::SessionId;

use super::World;

pub(crate) fn count(world: &World, of: impl Fn(&Event) -> bool) -> usize {
    world.events.iter().filter(|(_, event)| of(event)).count()
}

pub(crate) fn resumed(event: &Event) -> bool {
    matches!(event, Event::TunnelResumed { .. })
}

/// The session that an event is about.
fn session_of(event: &Event) -> Option<SessionId> {
    match event {
        Event::TunnelUp { session, .. }
        | Event::TunnelInterrupted { session, .. }
        | Event::Reconnecting { session, .. }
        | Event::TunnelResumed { session, .. }
        | Event::TunnelDown { session, .. } => Some(*session),
        _ => None,
    }
}

/// Of each session each transition is told once, and none that cannot be.
pub(crate) fn assert_legal(world: &World) {
    for at in 0..world.cores.len() {
        // Whether a session has a transport.
        let mut sessions = BTreeMap::new();
        for (core, event) in &world.events {
            let Some(session) = session_of(event).filter(|_| *core == at) else { continue };
            let before = sessions.get(&session).copied();
            match event {
                Event::TunnelUp { .. } | Event::TunnelResumed { .. } => {
                    sessions.insert(session, true);
                }
                Event::TunnelInterrupted { .. } => {
                    sessions.insert(session, false);
                }
                Event::TunnelDown { .. } => {
                    sessions.remove(&session);
                }
                _ => {}
            }
            let is_legal = match event {
                Event::TunnelUp { .. } => before.is_none(),
                Event::TunnelInterrupted { .. } => before == Some(true),
                Event::Reconnecting { .. } => before == Some(false),
                Event::TunnelResumed { outage, .. } => {
                    before == Some(outage.is_zero()) || before == Some(false)
                }
                _ => before.is_some(),
            };
            assert!(is_legal, "{event:?} of {at} in {:?}", world.events);
        }
    }
}
