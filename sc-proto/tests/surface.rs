//! What an embedder may rely on and the compiler checks: who may hold a core, and what it is fed.

use sc_proto::tls::{TlsClient, TlsServer};
use sc_proto::{Command, Config, Core, Event, HandOver, SocketId, Target};

const fn may_move_to_another_thread<T: Send + 'static>() {}
const fn may_be_shared<T: Send + Sync + Clone + 'static>() {}
const fn may_key_a_map<T: Copy + Ord + std::hash::Hash>() {}

#[test]
fn a_core_and_all_it_speaks_cross_threads() {
    may_move_to_another_thread::<Core>();
    may_move_to_another_thread::<Command>();
    may_move_to_another_thread::<HandOver>();
    may_be_shared::<Event>();
    may_be_shared::<Config>();
    may_be_shared::<Target>();
    may_be_shared::<TlsClient>();
    may_be_shared::<TlsServer>();
    may_key_a_map::<SocketId>();
}
