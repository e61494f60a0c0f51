//! The executable `mint`: everything is in the library.

fn main() -> std::process::ExitCode {
    mint::main()
}
