//! The data plane as the controller sees it: something that connects and something that stops.

use sc_proto::contract::Stop;

use super::controller::Place;
use super::failure::Failure;

/// Carries a tunnel's session. What becomes of a command is an input of the event loop.
pub(super) trait DataPlane {
    /// Begins to connect.
    ///
    /// # Errors
    ///
    /// [`Failure::Trust`] or [`Failure::Machine`]: trying again would not help.
    fn connect(&mut self, place: &Place) -> Result<(), Failure>;

    /// Ends the session.
    fn stop(&mut self, stop: Stop);
}

/// STUB until sc-runtime-mio is merged.
pub(super) struct MioPlane;
impl MioPlane {
    pub(super) fn start(
        _ca: Option<&std::path::Path>,
        _inputs: std::sync::mpsc::SyncSender<super::controller::Input>,
    ) -> Result<Self, Failure> {
        Ok(Self)
    }
}
impl DataPlane for MioPlane {
    fn connect(&mut self, _place: &Place) -> Result<(), Failure> {
        Ok(())
    }
    fn stop(&mut self, _stop: Stop) {}
}

/// Unpredictable bytes from the operating system.
fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Machine {
        what: "no random bytes",
        error: error.to_string(),
    })?;
    Ok(bytes)
}

/// An unpredictable number, for jitter.
pub(super) fn random_u64() -> Result<u64, Failure> {
    Ok(u64::from_ne_bytes(random()?))
}
