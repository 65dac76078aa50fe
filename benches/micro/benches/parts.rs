//! Time and allocations of the core's parts. `cargo bench -p sc-micro [PART]`.

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher, black_box};
use sc_micro::{SessionPair, frames, http, resign, rules, tls};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const MIB: usize = 1024 * 1024;
/// DATA frames of 1 KiB with some control frames between them.
const PAYLOAD: [u8; 1024] = [7; 1024];

#[divan::bench]
fn frame_encode(bencher: Bencher<'_, '_>) {
    let frames = frames::batch(&PAYLOAD);
    let mut out = Vec::new();
    frames::bytes(&frames, &mut out);
    bencher
        .counter(ItemsCount::new(frames.len()))
        .bench_local(|| frames::bytes(black_box(&frames), &mut out));
}

#[divan::bench]
fn frame_decode(bencher: Bencher<'_, '_>) {
    let mut bytes = Vec::new();
    frames::bytes(&frames::batch(&PAYLOAD), &mut bytes);
    bencher
        .counter(ItemsCount::new(frames::FRAMES))
        .bench_local(|| frames::decode(black_box(&bytes)));
}

/// One download of 1 MiB through two sessions, without TLS and sockets.
#[divan::bench]
fn session_pump(bencher: Bencher<'_, '_>) {
    pass(bencher.counter(BytesCount::new(MIB)), 1, MIB);
}

/// Every one of so many streams has 1 KiB: what one costs shall not depend on how many there are.
#[divan::bench(args = [10, 100, 1_000, 10_000])]
fn scheduler(bencher: Bencher<'_, '_>, streams: usize) {
    pass(bencher.counter(ItemsCount::new(streams)), streams, 1024);
}

fn pass(bencher: Bencher<'_, '_>, streams: usize, bytes: usize) {
    let mut pair = SessionPair::new(streams).expect("two honest sessions");
    assert_eq!(pair.pass(bytes), Ok(streams * bytes), "all of it passes");
    bencher.bench_local(|| pair.pass(black_box(bytes)));
}

/// Encrypted at one end and decrypted at the other.
#[divan::bench]
fn tls_pipe(bencher: Bencher<'_, '_>) {
    let mut pipes = tls::Pipes::new();
    let plain = vec![7; MIB];
    bencher.counter(BytesCount::of_slice(&plain)).bench_local(|| pipes.pass(black_box(&plain)));
}

/// A certificate for a site whose first browser comes.
#[divan::bench]
fn leaf_signing(bencher: Bencher<'_, '_>) {
    let mut authority = resign::Authority::new();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| authority.sign());
}

/// All encryption between a site and a browser, ends included, on one core.
#[divan::bench]
fn tls_passed_through(bencher: Bencher<'_, '_>) {
    let mut way = resign::Way::new();
    let plain = vec![7; MIB];
    bencher
        .counter(BytesCount::of_slice(&plain))
        .bench_local(|| way.pass_through(black_box(&plain)));
}

/// The same where the server opens TLS and signs it anew.
#[divan::bench]
fn tls_resigned(bencher: Bencher<'_, '_>) {
    let mut way = resign::Way::new();
    let plain = vec![7; MIB];
    bencher.counter(BytesCount::of_slice(&plain)).bench_local(|| way.resign(black_box(&plain)));
}

#[divan::bench]
fn head_of_get(bencher: Bencher<'_, '_>) {
    let head = http::BROWSER;
    bencher.counter(BytesCount::of_slice(head)).bench_local(|| http::read(black_box(head)));
}

#[divan::bench]
fn head_of_connect(bencher: Bencher<'_, '_>) {
    let head = http::CONNECT;
    bencher.counter(BytesCount::of_slice(head)).bench_local(|| http::read(black_box(head)));
}

/// A request through the machine of a browser's connection.
#[divan::bench]
fn browser_connection(bencher: Bencher<'_, '_>) {
    let head = http::BROWSER;
    bencher.counter(BytesCount::of_slice(head)).bench_local(|| http::front(black_box(head)));
}

/// What one request costs where a list of so many rules is asked about a host that none is about:
/// the longest way through it.
#[divan::bench(args = [10, 1_000])]
fn rules_of_version_4(bencher: Bencher<'_, '_>, count: usize) {
    judge(bencher, &rules::patterns(count));
}

/// The same with regular expressions.
#[divan::bench(args = [10, 1_000])]
fn rules_of_version_5(bencher: Bencher<'_, '_>, count: usize) {
    judge(bencher, &rules::expressions(count));
}

/// What compiling such a list costs, once for a tunnel.
#[divan::bench(args = [10, 1_000])]
fn compiling_rules_of_version_5(bencher: Bencher<'_, '_>, count: usize) {
    bencher.bench_local(|| rules::expressions(black_box(count)));
}

fn judge(bencher: Bencher<'_, '_>, rules: &rules::Rules) {
    assert!(rules.matches(&rules::listed()) && !rules.matches(&rules::unlisted()));
    let host = rules::unlisted();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| rules.matches(black_box(&host)));
}
