//! What a machine is told, and what it answers.

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<V> {
    /// A read was answered: for each named field its value, or `None` where it is absent.
    Read(Vec<Option<V>>),
    /// A read failed.
    ReadFailed {
        /// Whether trying again may help.
        is_transient: bool,
    },
    /// The generation was generated; these are the values of the named fields.
    Generated(Vec<V>),
    /// It cannot be generated.
    GenerationFailed,
    /// The write was carried out.
    Created {
        /// Whether the request was sent more than once.
        is_repeated: bool,
    },
    /// Nothing was written, because a name exists.
    Exists {
        /// Whether the request held other generations too, so that the name may be one of theirs.
        is_shared: bool,
    },
    /// The write failed, or its answer was lost.
    WriteFailed {
        /// What trying again can do about it.
        error: WriteError,
        /// Whether the request held other generations too, so that the error may be about them.
        is_shared: bool,
    },
    /// The pause that was asked for is over.
    PauseEnded,
    /// There is no more time for what is waited for.
    TimeIsOver,
}

/// How a write failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteError {
    /// Trying again may help. Whether anything was written is not known.
    Transient,
    /// This writer may not create the generation. Another one may.
    Denied,
    /// Trying again cannot help.
    Permanent,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<V> {
    /// Read the named fields. They may be read at different moments.
    Read,
    /// Read the named fields in one snapshot.
    ReadTogether,
    /// Generate all fields.
    Generate,
    /// Store all fields in one atomic write, on the condition that none of their names exists.
    Write {
        /// Whether the write must not hold other generations.
        is_alone: bool,
    },
    /// Do nothing for a while, then report [`Event::PauseEnded`].
    Pause(Pause),
    /// Nothing: the machine has ended.
    End(End<V>),
}

/// Why a machine pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pause {
    /// A read failed and is tried again.
    RetryRead,
    /// A write failed and is tried again.
    RetryWrite,
    /// Another writer has stored some of the fields, and may be about to store the others.
    Incomplete,
    /// Another writer has to store the value.
    Absent,
    /// The store does not show yet what was written.
    Replication,
}

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum End<V> {
    /// The named fields, as the store holds them.
    Stored {
        /// In the order of the named fields.
        values: Vec<V>,
        /// Whether this writer created them.
        is_created: bool,
    },
    /// The value is absent, and this writer does not create it.
    Absent,
    /// Creating was denied, and no other writer has created the generation.
    CreationDenied,
    /// The last read failed.
    ReadFailed,
    /// The last write failed.
    WriteFailed,
    /// The generation cannot be generated.
    GenerationFailed,
    /// The named fields at these indexes are missing while another field is stored.
    Incomplete(Vec<usize>),
    /// The generation was stored, and the store does not show it.
    Vanished {
        /// Whether this writer stored it.
        is_created: bool,
    },
    /// Another entry failed, so this one was not created or waited for.
    Stopped,
}

impl<V> End<V> {
    /// Whether the run as a whole cannot succeed any more.
    pub fn is_failure(&self, when_absent: WhenAbsent) -> bool {
        match self {
            Self::Stored { .. } | Self::Stopped => false,
            Self::Absent => when_absent != WhenAbsent::Report,
            _ => true,
        }
    }
}

/// What to do about a value that is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhenAbsent {
    /// Create it. If that is denied, wait until another writer has stored it.
    Create,
    /// Create it. If that is denied, end with [`End::CreationDenied`] at once, for a program that
    /// serves many pods and waits for none of them.
    CreateOrFail,
    /// Wait until another writer has stored it.
    Wait,
    /// End with [`End::Absent`], which fails the run.
    Fail,
    /// End with [`End::Absent`]; the caller has another value.
    Report,
}
