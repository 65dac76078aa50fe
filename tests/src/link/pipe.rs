//! One direction of a carried connection: reads, holds back for the weather, writes.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::{PACKET, Weather};

/// Most bytes that are on their way in one direction of one connection.
const MOST_ON_THE_WAY: usize = 4 * 1024 * 1024;
/// Most bytes of one read.
const PIECE: usize = 64 * 1024;

/// Bytes on their way from one side to the other.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// The sender will send no more.
    is_ended: bool,
    /// The receiver has been told so.
    is_shut: bool,
}

#[derive(Debug)]
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    written: usize,
}

/// The weather, and where its dice are.
#[derive(Debug, Default)]
pub(super) struct Dice {
    weather: Weather,
    state: u64,
    /// Bytes until the next packet that is held up.
    left: u64,
}

impl Dice {
    pub(super) fn new(weather: Weather) -> Self {
        let state = weather.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut dice = Self { weather, state, left: 0 };
        dice.left = dice.distance();
        dice
    }

    /// How far the next hold-up is: on average every `one_in` packets.
    fn distance(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let span = 2 * u64::from(self.weather.one_in) * u64::from(PACKET);
        1 + self.state % span.max(1)
    }

    /// How long the next `count` bytes take.
    fn travel(&mut self, count: usize) -> Duration {
        let mut time = self.weather.delay;
        if self.weather.one_in == 0 {
            return time;
        }
        let mut count = count as u64;
        while count >= self.left {
            count -= self.left;
            self.left = self.distance();
            time += self.weather.stall;
        }
        self.left -= count;
        time
    }
}

impl Pipe {
    /// Moves what can move. Says when it wants to be called again if nothing happens.
    ///
    /// # Errors
    /// Those of both sockets.
    pub(super) fn pump(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        dice: &mut Dice,
        counter: &AtomicU64,
    ) -> io::Result<Option<Instant>> {
        loop {
            let has_read = self.read(from, dice)?;
            let has_written = self.write(to, counter)?;
            if !has_read && !has_written {
                break;
            }
        }
        if self.is_ended && self.pieces.is_empty() && !self.is_shut {
            self.is_shut = true;
            to.shutdown(Shutdown::Write)?;
        }
        // What is due already waits for the socket and not for the clock.
        let now = Instant::now();
        Ok(self.pieces.front().map(|piece| piece.due).filter(|due| *due > now))
    }

    /// Whether all has been passed on, the end included.
    pub(super) fn is_done(&self) -> bool {
        self.is_shut
    }

    fn read(&mut self, from: &mut TcpStream, dice: &mut Dice) -> io::Result<bool> {
        let mut has_read = false;
        while !self.is_ended && self.bytes < MOST_ON_THE_WAY {
            let mut bytes = vec![0; PIECE];
            match from.read(&mut bytes) {
                Ok(0) => self.is_ended = true,
                Ok(count) => {
                    bytes.truncate(count);
                    self.bytes += count;
                    let due = Instant::now() + dice.travel(count);
                    // Nothing overtakes what is held up.
                    let due = self.pieces.back().map_or(due, |last| last.due.max(due));
                    self.pieces.push_back(Piece { due, bytes, written: 0 });
                    has_read = true;
                }
                Err(error) if is_for_later(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(has_read)
    }

    fn write(&mut self, to: &mut TcpStream, counter: &AtomicU64) -> io::Result<bool> {
        let mut has_written = false;
        while let Some(piece) = self.pieces.front_mut() {
            if piece.due > Instant::now() {
                break;
            }
            match to.write(&piece.bytes[piece.written..]) {
                Ok(count) => {
                    piece.written += count;
                    self.bytes -= count;
                    counter.fetch_add(count as u64, Ordering::Relaxed);
                    has_written = true;
                    if piece.written == piece.bytes.len() {
                        self.pieces.pop_front();
                    }
                }
                Err(error) if is_for_later(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(has_written)
    }
}

pub(super) fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
