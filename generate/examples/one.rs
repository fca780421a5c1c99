//! Generates one secret and prints its size in bytes, to compare the time of the whole process with
//! that of other generators.
//!
//! ```text
//! cargo run --profile dist-small -p kees-generate --example one -- RSA 4096
//! ```

#![expect(
    clippy::print_stdout,
    reason = "a program that a developer runs by hand"
)]

use std::{error::Error, num::ParseIntError};

use kees_common::{Spec, UserId};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(kind), Some(bits)) = (arguments.next(), arguments.next()) else {
        return Err("usage: one RSA|GPG|PASSWORD|RANDOM BITS".into());
    };
    let bits: u16 = bits
        .parse()
        .map_err(|error: ParseIntError| error.to_string())?;
    let spec = match kind.as_str() {
        "RSA" => Spec::Rsa { bits },
        "GPG" => {
            let user_id: UserId = "Test <test@example.com>"
                .parse()
                .map_err(|_| "the user id is not one")?;
            Spec::Gpg { bits, user_id }
        }
        "PASSWORD" => Spec::Password { bits },
        "RANDOM" => Spec::Random { bits },
        other => return Err(format!("{other} is not a type").into()),
    };
    let made = kees_generate::generate(&spec)?;
    println!(
        "{}",
        made.iter().map(|(_, value)| value.len()).sum::<usize>()
    );
    Ok(())
}
