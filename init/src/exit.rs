//! The exit statuses of a failed run.

/// The exit status of a failed run. Of several errors, the one whose status comes first gives the
/// status of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// 64: wrong usage or environment.
    Usage,
    /// 65: an annotation is wrong, or a stored value is not what its annotation says.
    Data,
    /// 77: denied.
    Denied,
    /// 73: a file could not be written.
    CannotWrite,
    /// 69: a store could not be reached or kept failing until the deadline.
    Unavailable,
    /// 75: something stayed absent until the deadline.
    Absent,
}

impl Exit {
    /// The status of the process (`sysexits.h`).
    pub fn code(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::Data => 65,
            Self::Denied => 77,
            Self::CannotWrite => 73,
            Self::Unavailable => 69,
            Self::Absent => 75,
        }
    }

    /// The meaning, for a summary.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Usage => "wrong usage or environment",
            Self::Data => "an annotation or a stored value is wrong",
            Self::Denied => "denied",
            Self::CannotWrite => "a file could not be written",
            Self::Unavailable => "a store could not be used",
            Self::Absent => "something is absent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statuses_have_the_documented_order() {
        let mut all = [
            Exit::Absent,
            Exit::Denied,
            Exit::Usage,
            Exit::Unavailable,
            Exit::CannotWrite,
            Exit::Data,
        ];
        all.sort_unstable();
        assert_eq!(all.map(Exit::code), [64, 65, 77, 73, 69, 75]);
    }
}
