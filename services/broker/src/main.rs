//! `mint-broker`: see the library. `mint-broker keys …` makes and rotates signing keys, and serves nothing.

fn main() -> std::process::ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "keys") {
        return mint_broker::keys_command();
    }
    mint_runtime::main::<mint_broker::Config, _, _>(mint_types::ServiceName::Broker, mint_broker::run)
}
