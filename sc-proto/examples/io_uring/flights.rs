//! The ring, and what the kernel is doing: the only place that has to be believed about memory.
#![expect(unsafe_code, reason = "the kernel writes to memory behind the compiler's back")]

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::mem;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};
use sc_proto::SocketId;

/// Entries of the ring that may be submitted at once. Many more may be in flight.
const ENTRIES: u32 = 256;

/// What the kernel has been asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Wait for a word from another thread.
    Wake,
    Receive(SocketId),
    Send(SocketId),
}

/// A task with its buffer. Both are the kernel's until it says that the task is done.
struct Flight {
    task: Task,
    fd: Arc<OwnedFd>,
    buffer: Vec<u8>,
}

/// A task that is done, with its buffer and what the system call would have returned.
pub(crate) struct Done {
    pub(crate) task: Task,
    pub(crate) buffer: Vec<u8>,
    pub(crate) result: i32,
}

pub(crate) struct Flights {
    ring: IoUring,
    under_way: BTreeMap<u64, Flight>,
    next: u64,
    waker: Arc<UnixStream>,
}

impl Flights {
    /// A ring, if the system gives one.
    pub(crate) fn new() -> io::Result<Self> {
        let (waker, woken) = UnixStream::pair()?;
        // Who wakes does not wait: with a full pipe it is awake anyway.
        waker.set_nonblocking(true)?;
        let ring = IoUring::new(ENTRIES)?;
        let (under_way, waker) = (BTreeMap::new(), Arc::new(waker));
        let mut flights = Self { ring, under_way, next: 0, waker };
        flights.launch(Task::Wake, Arc::new(woken.into()), vec![0; 64]);
        Ok(flights)
    }

    /// Has [`Self::wait`] return.
    pub(crate) fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let waker = Arc::clone(&self.waker);
        move || drop((&*waker).write(&[1]))
    }

    /// Hands a task to the kernel: to fill the buffer, or to send all of it. Gives its number.
    pub(crate) fn launch(&mut self, task: Task, fd: Arc<OwnedFd>, mut buffer: Vec<u8>) -> u64 {
        let (raw, start) = (Fd(fd.as_raw_fd()), buffer.as_mut_ptr());
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let entry = match task {
            Task::Send(_) => opcode::Send::new(raw, start, length).build(),
            Task::Receive(_) | Task::Wake => opcode::Recv::new(raw, start, length).build(),
        };
        self.next += 1;
        let number = self.next;
        // Moving the vector does not move what it points to.
        self.under_way.insert(number, Flight { task, fd, buffer });
        self.push(&entry.user_data(number));
        number
    }

    /// Asks the kernel to end a task early. It is done then as any other.
    pub(crate) fn cancel(&mut self, number: u64) {
        self.push(&opcode::AsyncCancel::new(number).build());
    }

    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: an entry is valid until it is done if its descriptor is open and its buffer is
        // in place until then. Both are in a flight of `under_way`, which leaves it in `wait`,
        // when the kernel has said that it is done, and is leaked by `drop`; nobody else gets at
        // the buffer meanwhile. A cancellation points to nothing.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            // The queue is full: the kernel takes what is in it.
            let _ = self.ring.submit();
        }
    }

    /// Waits until something is done, but no longer than `patience`. Gives all that is.
    pub(crate) fn wait(&mut self, patience: Duration) -> Vec<Done> {
        let patience = Timespec::from(patience);
        // An error is the end of the patience, or an interruption: either way there is a look.
        let _ = self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&patience));
        let results: Vec<_> =
            self.ring.completion().map(|entry| (entry.user_data(), entry.result())).collect();
        let mut done = Vec::with_capacity(results.len());
        for (number, result) in results {
            // The end of a cancellation has no flight.
            let Some(Flight { task, fd, buffer }) = self.under_way.remove(&number) else {
                continue;
            };
            match task {
                Task::Wake => drop(self.launch(task, fd, buffer)),
                Task::Receive(_) | Task::Send(_) => done.push(Done { task, buffer, result }),
            }
        }
        done
    }
}

impl Drop for Flights {
    fn drop(&mut self) {
        // The kernel may still write to them.
        mem::forget(mem::take(&mut self.under_way));
    }
}
