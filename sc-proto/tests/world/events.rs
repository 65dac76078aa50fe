//! What the cores have told.

use sc_proto::Event;

use super::World;

pub(crate) fn count(world: &World, of: impl Fn(&Event) -> bool) -> usize {
    world.events.iter().filter(|(_, event)| of(event)).count()
}

pub(crate) fn resumed(event: &Event) -> bool {
    matches!(event, Event::TunnelResumed { .. })
}

/// Each transition is told once, and none that cannot be.
pub(crate) fn assert_legal(world: &World) {
    for at in 0..world.cores.len() {
        // Whether the session has a transport; `None`: there is no session.
        let mut carried = None;
        for (core, event) in &world.events {
            if *core != at {
                continue;
            }
            let before = carried;
            carried = match event {
                Event::TunnelUp { .. } => Some(true),
                Event::TunnelInterrupted { .. } => Some(false),
                Event::Reconnecting { .. } => before,
                Event::TunnelResumed { .. } => Some(true),
                Event::TunnelDown { .. } => None,
                _ => continue,
            };
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
