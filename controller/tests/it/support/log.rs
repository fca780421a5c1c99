//! What the controller logs, and the search for values in what it shows.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use kees_common::SecretValue;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// All events of this thread, as text.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects events of every level until the guard is dropped.
    pub fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// What was logged so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Panics if `shown` contains a value or its base64. `what` names the value in the message.
#[track_caller]
pub fn assert_hides(shown: &str, what: &str, value: &SecretValue) {
    let text = String::from_utf8_lossy(value.expose());
    assert!(!shown.contains(&*text), "{what} is shown");
    let base64 = value.to_base64();
    assert!(!shown.contains(&*base64), "the base64 of {what} is shown");
}
