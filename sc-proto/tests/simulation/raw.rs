//! A browser that asks for a tunnel with CONNECT, and the site behind it.

use sc_proto::ListenerId;

use crate::world::{CoreId, End, World};
use crate::{pattern, patterned};

/// Bytes one way: what was sent and what has come.
#[derive(Debug, Default)]
struct Flow {
    tag: usize,
    sent: usize,
    got: usize,
    /// The sender has half-closed.
    finished: bool,
}

impl Flow {
    fn take(&mut self, bytes: &[u8], who: &str) {
        for byte in bytes {
            assert!(self.got < self.sent, "{who} got more than was sent");
            assert_eq!(*byte, pattern(self.tag, self.got), "{who}, byte {}", self.got);
            self.got += 1;
        }
    }
}

#[derive(Debug)]
pub(crate) struct Raw {
    number: usize,
    browser: End,
    site: Option<End>,
    reply: Vec<u8>,
    established: bool,
    /// It got a page instead of a tunnel.
    refused: bool,
    up: Flow,
    down: Flow,
    browser_gone: bool,
    site_gone: bool,
    /// It may fail.
    pub(crate) excused: bool,
}

impl Raw {
    pub(crate) fn new(
        world: &mut World,
        home: CoreId,
        proxy: ListenerId,
        number: usize,
    ) -> Option<Self> {
        let browser = world.browse(home, proxy)?;
        let name = ["r", "r", "r", "r", "r", "refused", "hanging"][world.random(7)];
        let request = format!(
            "CONNECT {name}{number}.test:443 HTTP/1.1\r\nHost: {name}{number}.test:443\r\n\r\n"
        );
        world.send(browser, request.as_bytes());
        let mut raw = Self {
            number,
            browser,
            site: None,
            reply: Vec::new(),
            established: false,
            refused: false,
            up: Flow { tag: 2 * number, ..Flow::default() },
            down: Flow { tag: 2 * number + 1, ..Flow::default() },
            browser_gone: false,
            site_gone: false,
            excused: name == "hanging",
        };
        if world.random(3) == 0 {
            raw.browser_sends(world, 3_000);
        }
        Some(raw)
    }

    pub(crate) fn met(&mut self, site: End) {
        assert!(self.site.replace(site).is_none(), "the site is dialled once");
    }

    pub(crate) fn is_over(&self, world: &World) -> bool {
        self.browser_gone || world.has_ended(self.browser) || world.was_reset(self.browser)
    }

    fn browser_sends(&mut self, world: &mut World, most: usize) {
        if self.browser_gone || self.up.finished || world.unread(self.browser) > 200_000 {
            return;
        }
        let n = 1 + world.random(most);
        world.send(self.browser, &patterned(self.up.tag, self.up.sent, n));
        self.up.sent += n;
    }

    fn site_sends(&mut self, world: &mut World, most: usize) {
        let Some(site) = self.site else { return };
        if self.site_gone || self.down.finished || world.unread(site) > 200_000 {
            return;
        }
        let n = 1 + world.random(most);
        world.send(site, &patterned(self.down.tag, self.down.sent, n));
        self.down.sent += n;
    }

    fn browser_takes(&mut self, world: &mut World, most: usize) -> usize {
        if self.browser_gone {
            return 0;
        }
        let mut bytes = world.take(self.browser, most);
        let n = bytes.len();
        if !self.established && !self.refused {
            self.reply.append(&mut bytes);
            let Some(end) = self.reply.windows(4).position(|four| four == b"\r\n\r\n") else {
                return n;
            };
            bytes = self.reply.split_off(end + 4);
            let head = String::from_utf8_lossy(&self.reply);
            self.established = head.starts_with("HTTP/1.1 200 ");
            self.refused = !self.established;
            assert!(self.established || head.starts_with("HTTP/1.1 5"), "{head}");
        }
        if self.established {
            self.down.take(&bytes, &format!("browser {}", self.number));
        }
        n
    }

    fn site_takes(&mut self, world: &mut World, most: usize) -> usize {
        match self.site {
            Some(site) if !self.site_gone => {
                let bytes = world.take(site, most);
                self.up.take(&bytes, &format!("site {}", self.number));
                bytes.len()
            }
            _ => 0,
        }
    }

    pub(crate) fn act(&mut self, world: &mut World) {
        match world.random(40) {
            0..=9 => self.browser_sends(world, 40_000),
            10..=19 => self.site_sends(world, 40_000),
            20..=28 => {
                let most = world.random(60_000);
                self.browser_takes(world, most);
            }
            29..=36 => {
                let most = world.random(60_000);
                self.site_takes(world, most);
            }
            37 => drop(self.browser_finishes(world)),
            38 => drop(self.site_finishes(world)),
            _ => self.somebody_leaves(world),
        }
    }

    fn browser_finishes(&mut self, world: &mut World) -> bool {
        // Before its tunnel is there it would count as gone.
        let may = self.established && !self.up.finished && !self.browser_gone;
        if may {
            self.up.finished = true;
            world.finish(self.browser);
        }
        may
    }

    fn site_finishes(&mut self, world: &mut World) -> bool {
        match self.site {
            Some(site) if !self.down.finished && !self.site_gone => {
                self.down.finished = true;
                world.finish(site);
                true
            }
            _ => false,
        }
    }

    fn somebody_leaves(&mut self, world: &mut World) {
        match (world.random(5), self.site) {
            (0, _) if !self.browser_gone => {
                self.browser_gone = true;
                world.abort(self.browser);
            }
            (1, _) if !self.browser_gone => {
                self.browser_gone = true;
                world.close(self.browser);
            }
            (2, Some(site)) if !self.site_gone => {
                self.site_gone = true;
                world.abort(site);
            }
            (3, Some(site)) if !self.site_gone => {
                self.site_gone = true;
                world.close(site);
            }
            _ => {}
        }
    }

    /// Ends both ways and reads on. Says whether anything moved.
    pub(crate) fn finish(&mut self, world: &mut World) -> bool {
        let mut moved = self.browser_takes(world, usize::MAX) > 0;
        moved |= self.site_takes(world, usize::MAX) > 0;
        moved |= self.browser_finishes(world);
        moved |= self.site_finishes(world);
        if self.refused && !self.browser_gone {
            self.browser_gone = true;
            world.finish(self.browser);
            moved = true;
        }
        moved
    }

    pub(crate) fn check_end(&mut self, world: &World) {
        let over = |end: End| world.has_ended(end) || world.was_reset(end);
        if !self.browser_gone {
            assert!(over(self.browser), "browser {} stalls: {self:?}", self.number);
        }
        if let Some(site) = self.site
            && !self.site_gone
        {
            assert!(over(site), "site {} stalls: {self:?}", self.number);
        }
        if self.excused || self.refused || self.browser_gone || self.site_gone {
            return;
        }
        assert!(self.established, "{self:?}");
        assert!(!world.was_reset(self.browser), "{self:?}");
        assert_eq!((self.up.got, self.down.got), (self.up.sent, self.down.sent), "{self:?}");
    }
}
