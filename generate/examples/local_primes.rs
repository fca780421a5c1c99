//! Writes `src/local/primes.bin`, the table of primes for local mode's RSA keys, or checks one in
//! EVERY primes of it: each is the first suitable prime that is not below its start.
//!
//! ```text
//! cargo run -p kees-generate --example local_primes -- make FILE
//! cargo run -p kees-generate --example local_primes -- check FILE EVERY
//! ```
//!
//! The whole table takes about ten minutes of one core. It is the same on each machine.

#![expect(
    clippy::print_stderr,
    reason = "a program that a developer runs by hand"
)]

use std::{fs, io, process::ExitCode, thread};

use num_bigint_dig::{BigUint, prime::probably_prime};

#[path = "../src/local/start.rs"]
mod start;

use start::{COUNT, SIZES, start};

/// The public exponent of every RSA key of local mode; no prime may be 1 modulo it.
const EXPONENT: u32 = 65_537;

/// How many odd numbers above a start are sieved at once: 46 times the average distance between two
/// primes of 2048 bits, so that each search ends within them.
const WINDOW: usize = 1 << 15;

/// Divisors below this are sieved out.
const SIEVE: usize = 1 << 19;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", file] => make(file),
        ["check", file, every] => check(file, every),
        _ => Err(io::Error::other(
            "usage: local_primes make FILE | check FILE EVERY",
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes half the distance from the start to the prime, in two bytes, for each size and index.
fn make(file: &str) -> io::Result<()> {
    let steps = steps(&places())?;
    fs::write(
        file,
        steps
            .into_iter()
            .flat_map(u16::to_be_bytes)
            .collect::<Vec<_>>(),
    )
}

/// Searches for every `every`th prime again and compares.
fn check(file: &str, every: &str) -> io::Result<()> {
    let every = every.parse().ok().filter(|every| *every > 0);
    let every = every.ok_or_else(|| io::Error::other("EVERY must be a number above 0"))?;
    let table = fs::read(file)?;
    let (places, all) = (places(), table.as_chunks().0);
    if table.len() != 2 * places.len() {
        return Err(io::Error::other("the table is not of the right length"));
    }
    let places: Vec<_> = places.into_iter().step_by(every).collect();
    let written = all
        .iter()
        .step_by(every)
        .map(|step| u16::from_be_bytes(*step));
    if steps(&places)?.into_iter().eq(written) {
        eprintln!("{} primes are as they should be", places.len());
        return Ok(());
    }
    Err(io::Error::other("the table differs"))
}

/// Size and index of each prime, in the order of the table.
fn places() -> Vec<(u16, u16)> {
    SIZES
        .into_iter()
        .flat_map(|bits| (0..COUNT).map(move |index| (bits, index)))
        .collect()
}

/// The entries of the table for `places`, searched for on all cores.
fn steps(places: &[(u16, u16)]) -> io::Result<Vec<u16>> {
    let divisors = &small_primes();
    let each = places
        .len()
        .div_ceil(thread::available_parallelism()?.get());
    let found: Vec<Option<u16>> = thread::scope(|scope| {
        let workers: Vec<_> = places
            .chunks(each)
            .map(|places| {
                scope.spawn(|| {
                    places
                        .iter()
                        .map(|(b, i)| search(*b, *i, divisors))
                        .collect()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|_| vec![None]))
            .collect()
    });
    let found: Option<Vec<_>> = found.into_iter().collect();
    found.ok_or_else(|| io::Error::other("no prime within the window"))
}

/// The odd primes below [`SIEVE`].
fn small_primes() -> Vec<u32> {
    let mut composite = vec![false; SIEVE];
    let mut primes = Vec::new();
    for number in (3..SIEVE).step_by(2) {
        if !composite[number] {
            primes.extend(u32::try_from(number));
            (number * number..SIEVE)
                .step_by(2 * number)
                .for_each(|n| composite[n] = true);
        }
    }
    primes
}

/// Half the distance from the start to the first suitable prime.
fn search(bits: u16, index: u16, divisors: &[u32]) -> Option<u16> {
    let start = BigUint::from_bytes_be(&start(bits, index));
    let mut composite = vec![false; WINDOW];
    for &divisor in divisors {
        let rest = remainder(&start, divisor);
        // The first step with start + 2 * step = 0 modulo the divisor.
        let missing = (divisor - rest) % divisor;
        let step = if missing.is_multiple_of(2) {
            missing / 2
        } else {
            missing.midpoint(divisor)
        };
        (step as usize..WINDOW)
            .step_by(divisor as usize)
            .for_each(|n| composite[n] = true);
    }
    (0..WINDOW)
        .filter(|step| !composite[*step])
        .find_map(|step| {
            let candidate = &start + BigUint::from(2 * step);
            let suits = remainder(&candidate, EXPONENT) != 1 && probably_prime(&candidate, 8);
            suits.then(|| u16::try_from(step).ok())?
        })
}

fn remainder(number: &BigUint, divisor: u32) -> u32 {
    (number % divisor)
        .to_bytes_be()
        .into_iter()
        .fold(0, |sum, byte| (sum << 8) | u32::from(byte))
}
