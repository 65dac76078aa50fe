//! Measures sc beside other tunnels on one machine: the rows of `docs/performance.md`.
//!
//! [`peer`] starts the tunnels, [`load`] is what browsers would do, [`origin`] the site, [`row`]
//! what is measured, [`results`] and [`report`] what is written down. Rounds are interleaved: in
//! each, every row is run for all peers in turn, each time with new processes, so that a slow
//! minute of the machine is everybody's; and each [`cell`] is a process, so that what goes wrong in
//! one is not the end of all.

mod cell;
mod load;
mod machine;
mod options;
mod origin;
mod peer;
mod programs;
mod report;
mod results;
mod row;
mod targets;
mod usage;

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use options::Options;
use origin::Origin;
use peer::Peer;
use results::Results;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == cell::ARGUMENT => cell::run(rest),
        _ => Options::parse(arguments.into_iter()).map(|options| run(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}\n\n{}", options::USAGE);
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) {
    let peers = present(&options.peers);
    let origin = Origin::start();
    let begin = Instant::now();
    let mut results = Results::default();
    for round in 0..options.rounds {
        for &row in &options.rows {
            println!(
                "round {} of {}, {}. {}",
                round + 1,
                options.rounds,
                row.letter(),
                row.title()
            );
            for peer in in_turn(&peers, round) {
                if !row.concerns(peer) {
                    continue;
                }
                match cell::measure(row, peer, origin.address, options.times) {
                    Ok(sample) => {
                        println!("  {:13} {}", peer.name(), report::line(&sample));
                        results.add(row, peer, sample);
                    }
                    Err(problem) => println!("  {:13} has no figures: {problem}", peer.name()),
                }
            }
        }
    }
    let minutes = begin.elapsed().as_secs_f64() / 60.0;
    let text = report::markdown(&results, &peers, options, minutes);
    let json = report::json(&results, &peers, options, minutes);
    println!("\n{text}");
    fs::create_dir_all(&options.out).expect("the folder for results can be made");
    fs::write(options.out.join("peers.md"), &text).expect("the results can be written");
    fs::write(options.out.join("peers.json"), json).expect("the results can be written");
    println!("written to {}/peers.md and peers.json", options.out.display());
    if let Some(page) = &options.page {
        report::put_into_page(page, &text);
        println!("and into {}", page.display());
    }
}

/// Those of `wanted` whose programs are here; says which are not.
fn present(wanted: &[Peer]) -> Vec<Peer> {
    let here = |peer: &&Peer| match peer.missing_program() {
        Some(program) => {
            // Only who compares two builds misses the other one.
            if **peer != Peer::ScOther {
                println!("{} is left out: there is no {program}", peer.name());
            }
            false
        }
        None => true,
    };
    wanted.iter().filter(here).copied().collect()
}

/// The peers, beginning with another one in each round.
fn in_turn(peers: &[Peer], round: usize) -> Vec<Peer> {
    let first = round % peers.len().max(1);
    peers[first..].iter().chain(&peers[..first]).copied().collect()
}
