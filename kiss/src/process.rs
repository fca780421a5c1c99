//! Settings of the process that keep values out of reach.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Switches core dumps off, because they would contain values and tokens.
///
/// # Errors
/// The system does not allow it.
pub fn forbid_core_dumps() -> std::io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}

#[cfg(test)]
mod tests {
    use rustix::process::getrlimit;

    use super::*;

    #[test]
    fn a_crash_leaves_no_file() {
        forbid_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
    }
}
