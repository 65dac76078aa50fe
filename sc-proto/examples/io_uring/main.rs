//! A whole driver of the core on Linux's io_uring, completion style: what is to be received and
//! sent is handed to the kernel with its buffer, which comes back when that is done. See `driver.rs`
//! for the loop and `flights.rs` for the ring.
//!
//! `io_uring TUNNEL SECRET SERVER:PORT PIN` serves a tunnel.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

#[path = "../client/mod.rs"]
mod client;
#[cfg(target_os = "linux")]
mod driver;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flights = match driver::Flights::new() {
        Ok(flights) => flights,
        Err(error) => {
            // Old kernels do not have it; containers and administrators often forbid it.
            println!("skipped: this system gives no io_uring: {error}");
            return Ok(());
        }
    };
    let (core, connect) = client::from_arguments()?;
    let (inputs, inbox) = driver::inputs(&flights);
    let _ = inputs.send(driver::Input::Command(connect));
    driver::run(core, flights, inputs, &inbox, client::report);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: io_uring is Linux's");
}
