//! `mint-sim`: runs worlds and says what was found.

#![allow(clippy::print_stdout, reason = "a command line program for people")]

use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;
use mint_sim::{Plan, ROTATIONS_PER_WORLD, Shards, Tally, run, run_all};

/// A fifth of the time went into the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A share of calls, as `5%`.
#[derive(Debug, Clone, Copy)]
struct Share(u64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').ok_or("write a percentage, for example 5%")?;
        let percent: f64 = number.parse().map_err(|_| format!("{number:?} is no number"))?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("{percent} % is not between 0 and 100"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        Ok(Self((percent * 10_000.0) as u64))
    }
}

/// Simulates Mint under faults.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many rotations at least.
    #[arg(long, default_value_t = 20_000)]
    rotations: u64,
    /// How many calls go wrong.
    #[arg(long, default_value = "5%")]
    faults: Share,
    /// The run's seed; a fresh one if absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Lives through the one world of this seed.
    #[arg(long)]
    world: Option<u64>,
    /// Tells the story of that world.
    #[arg(long, requires = "world")]
    trace: bool,
    /// Operators have versions ended at once, and the issuer compared.
    #[arg(long)]
    operators: bool,
    /// How many worlds at once; as many as there are processors if absent.
    #[arg(long)]
    threads: Option<usize>,
    /// Switches a rule of the real code off and expects to notice; `all` prints a table.
    #[cfg(feature = "mutations")]
    #[arg(long)]
    mutation: Option<String>,
}

/// So many violations are shown; the rest are counted.
const SHOWN: usize = 10;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    #[cfg(feature = "mutations")]
    if let Some(asked) = &arguments.mutation {
        return mutate(asked, &arguments);
    }
    #[expect(clippy::disallowed_methods, reason = "the one real clock: it says how fast the simulation was")]
    let begun = Instant::now();
    let (tally, seed) = match arguments.world {
        Some(world) => (one(&arguments, world), world),
        None => many(&arguments),
    };
    report(&tally, seed, begun.elapsed().as_secs_f64());
    // worlds are what passes or fails
    println!("{} passed, {} failed", tally.worlds - tally.broken_worlds, tally.broken_worlds);
    let is_good = tally.is_clean() && tally.broken_worlds == 0 && tally.rotations >= arguments.rotations;
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(arguments: &Arguments, world: u64) -> Tally {
    let plan = Plan {
        seed: world,
        rotations: arguments.rotations,
        fault_rate: arguments.faults.0,
        operators: arguments.operators,
        trace: arguments.trace,
    };
    let outcome = run(&plan);
    for line in outcome.lines {
        println!("{line}");
    }
    println!("hash              {:016x}", outcome.hash);
    replay(arguments, &outcome.tally, 0);
    outcome.tally
}

fn many(arguments: &Arguments) -> (Tally, u64) {
    let seed = arguments.seed.unwrap_or_else(fresh_seed);
    println!("seed              {seed}");
    let shards = shards(arguments, seed);
    let (told, replayed) = (AtomicU64::new(0), AtomicUsize::new(0));
    let tally = run_all(&shards, &|sum| {
        replay(arguments, sum, replayed.swap(sum.violations.len(), Ordering::Relaxed));
        let tenth = (sum.rotations * 10).checked_div(shards.rotations).unwrap_or(0);
        if told.fetch_max(tenth, Ordering::Relaxed) < tenth {
            println!("so far            {} rotations, {} violations", sum.rotations, sum.violations.len());
        }
    });
    (tally, seed)
}

fn shards(arguments: &Arguments, seed: u64) -> Shards {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Shards {
        seed,
        rotations: arguments.rotations,
        fault_rate: arguments.faults.0,
        operators: arguments.operators,
        threads: arguments.threads.unwrap_or(threads),
        stop_at_first: false,
    }
}

#[cfg(feature = "mutations")]
fn mutate(asked: &str, arguments: &Arguments) -> ExitCode {
    use mint_types::mutation::{Catcher, Mutation};
    let mutations: Vec<Mutation> = match asked {
        "all" => Mutation::ALL.to_vec(),
        name => match name.parse() {
            Ok(mutation) => vec![mutation],
            Err(unknown) => {
                println!("{unknown}");
                return ExitCode::FAILURE;
            }
        },
    };
    let seed = arguments.seed.unwrap_or_else(fresh_seed);
    let shards = Shards { stop_at_first: true, ..shards(arguments, seed) };
    let mut missed = 0;
    for mutation in mutations {
        let expected = mutation.caught_by().contains(&Catcher::Simulation);
        let caught = mint_sim::run_mutated(mutation, &shards);
        missed += u32::from(expected && caught.by.is_none());
        let verdict = match (&caught.by, expected) {
            (Some(by), _) => format!("caught   {by}"),
            (None, true) => "MISSED".to_owned(),
            (None, false) => "not seen (others are to)".to_owned(),
        };
        println!("{:<34}{verdict}", mutation.as_str());
    }
    println!("seed              {seed}");
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The one number that no seed gives.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish() >> 16
}

fn report(tally: &Tally, seed: u64, seconds: f64) {
    let hours = tally.simulated.as_secs_f64() / 3600.0;
    println!("rotations         {}", tally.rotations);
    for (issuer, count) in &tally.rotations_at {
        println!("  {:<22}{count}", issuer.as_str());
    }
    println!("worlds            {}", tally.worlds);
    let faults: u64 = tally.faults.values().sum();
    println!("faults            {faults}");
    for (fault, count) in &tally.faults {
        println!("  {:<22}{count}", fault.as_str());
    }
    println!("logins            {}", tally.logins);
    for (moment, count) in &tally.logins_at {
        println!("  {:<22}{count}", moment.as_str());
    }
    println!("failed logins     {}", tally.failed_logins);
    let (windows, longest) = (tally.windows, tally.longest_window.as_secs_f64());
    println!(
        "replaced values   {windows}, in {longest:.1} s at most, {} refused meanwhile",
        tally.logins_in_windows
    );
    println!("ended at once     {}, {} logins refused meanwhile", tally.revocations, tally.logins_ended);
    println!("comparisons       {}", tally.comparisons);
    println!("unaccounted       {}", tally.unaccounted);
    println!("stuck             {}", tally.stuck);
    println!("violations        {}", tally.violations.len());
    println!("simulated         {hours:.0} h, {:.0} h a second", hours / seconds);
    println!("took              {seconds:.1} s, {:.0} rotations a second", as_f64(tally.rotations) / seconds);
    println!("seed              {seed}");
}

/// How to see again what was found since so many were told.
fn replay(arguments: &Arguments, tally: &Tally, told: usize) {
    for (world, violation) in tally.violations.iter().take(SHOWN).skip(told) {
        println!("VIOLATED {violation}");
        println!(
            "  replay: cargo run --release -p mint-sim -- --world {world} --rotations {} --faults {}%{} --trace",
            arguments.rotations.min(ROTATIONS_PER_WORLD),
            percent(arguments.faults.0),
            if arguments.operators { " --operators" } else { "" }
        );
    }
}

fn percent(per_million: u64) -> f64 {
    as_f64(per_million) / 10_000.0
}

#[expect(clippy::cast_precision_loss, reason = "some millions at most")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
