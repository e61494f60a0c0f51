//! The agent's process.

fn main() -> std::process::ExitCode {
    mint_berry::main()
}
