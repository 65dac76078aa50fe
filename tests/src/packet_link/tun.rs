//! One end: a TUN interface in a network namespace that is not ours.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::ioctl::{self, Opcode, Updater};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Most bytes of a packet: more than the interface's MTU, which is 1500.
const MAX_PACKET: usize = 2048;

/// `TUNSETIFF` of `linux/if_tun.h`: `_IOW('T', 202, int)`, though it takes a `struct ifreq`.
const SET_INTERFACE: Opcode = ioctl::opcode::write::<i32>(b'T', 202);
/// `IFF_TUN`: packets, not Ethernet frames. `IFF_NO_PI`: and nothing in front of them.
const FLAGS: u16 = 0x0001 | 0x1000;
/// `IFNAMSIZ`, the final zero included.
const NAME_SIZE: usize = 16;

/// The end. Its interface goes away with it.
#[derive(Debug)]
pub(super) struct Tun(File);

/// `struct ifreq` of `linux/if.h`, of whose union only the flags are used here. The kernel copies
/// 40 bytes on 64-bit machines, the most there are.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME_SIZE],
    flags: u16,
    rest: [u8; 22],
}

impl Tun {
    /// Makes an interface in the namespace.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn open(namespace: &str, interface: &str) -> io::Result<Self> {
        let namespace = File::open(Path::new("/run/netns").join(namespace))?;
        // The interface comes to be in the namespace of the thread that asks for it, and stays
        // there, whoever reads it. A thread of its own, so that none of ours has moved.
        let open = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            attach(interface)
        };
        thread::scope(|scope| scope.spawn(open).join().expect("it does not panic")).map(Self)
    }

    /// The next packet that the namespace sends; `None` if there is none yet.
    ///
    /// # Errors
    /// Those of the system: the namespace is gone, for example.
    pub(super) fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut packet = vec![0; MAX_PACKET];
        match (&self.0).read(&mut packet) {
            Ok(length) => {
                packet.truncate(length);
                Ok(Some(packet))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands a packet to the namespace. One that it does not take is lost, as on any line: its
    /// interface may be down.
    pub(super) fn send(&self, packet: &[u8]) {
        let _ = (&self.0).write(packet);
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn attach(interface: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let device = rustix::fs::open("/dev/net/tun", flags, Mode::empty())?;
    let mut request = InterfaceRequest { name: [0; NAME_SIZE], flags: FLAGS, rest: [0; 22] };
    assert!(interface.len() < NAME_SIZE, "{interface} is too long a name");
    request.name[..interface.len()].copy_from_slice(interface.as_bytes());
    set_interface(&device, &mut request)?;
    Ok(File::from(device))
}

#[expect(unsafe_code, reason = "there is no safe call for it, and a crate has the same inside")]
fn set_interface(device: impl AsFd, request: &mut InterfaceRequest) -> io::Result<()> {
    // SAFETY: `TUNSETIFF` reads and writes one `struct ifreq` at its argument and keeps no pointer
    // to it. `InterfaceRequest` has its size and layout, every bit pattern of it is valid, and it
    // is borrowed for the whole call.
    unsafe { ioctl::ioctl(device, Updater::<SET_INTERFACE, InterfaceRequest>::new(request)) }?;
    Ok(())
}
