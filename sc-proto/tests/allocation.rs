//! The steady bulk path allocates nothing but what rustls does per record.

mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use world::World;

/// Counts every allocation of the process.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every method passes its arguments on to the system's allocator unchanged.
#[expect(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// rustls 0.23 allocates for each record it encrypts (one) and each it decrypts (one), and records
/// hold 16 KiB: 128 a MiB for both ends together. The rest is for the ends of chunks, whose
/// records are not full, and for control frames.
const ALLOWED_PER_MIB: u64 = 160;

#[test]
fn steady_bulk_allocates_only_in_tls() {
    let (mut world, proxy) = World::tunnel(1, |_| {});
    world.whole_reads();
    let browser = world.browse(0, proxy).unwrap();
    world.send(browser, b"CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    world.run();
    let (_, site) = world.sites.pop_front().unwrap();
    let block = vec![7; 1 << 20];
    let round = |world: &mut World| {
        world.send(site, &block);
        let mut got = 0;
        while got < block.len() {
            world.run();
            got += world.discard(browser);
        }
    };
    // Windows grow and buffers reach their size first.
    for _ in 0..64 {
        round(&mut world);
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..64 {
        round(&mut world);
    }
    let per_mib = (ALLOCATIONS.load(Ordering::Relaxed) - before) / 64;
    println!("{per_mib} allocations per MiB, both ends");
    assert!(per_mib <= ALLOWED_PER_MIB, "{per_mib} allocations per MiB");
}
