//! `cargo test -p sc-conformance`: the table of scenarios and drivers.

fn main() -> std::process::ExitCode {
    sc_conformance::main()
}
