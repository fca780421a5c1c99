//! The audit line of a call that a handler makes: it is written when the call ends, or when the server ends before.

use std::thread;

use tokio::time::Instant;
use tonic::{Code, Status};

use crate::server::{
    audit::{AuditLog, Call},
    metrics::Metrics,
    operations::Deadline,
};

/// A call that has no audit line yet.
pub(super) struct OpenCall {
    audit: AuditLog,
    metrics: Metrics,
    call: Call,
    begun: Instant,
    deadline: Deadline,
    is_open: bool,
}

impl OpenCall {
    /// A call that arrived at `begun`, and where it is audited and counted.
    pub(super) fn new(
        (audit, metrics): (AuditLog, Metrics),
        call: Call,
        begun: Instant,
        deadline: Deadline,
    ) -> Self {
        Self {
            audit,
            metrics,
            call,
            begun,
            deadline,
            is_open: true,
        }
    }

    /// What is known of the call.
    pub(super) fn call(&mut self) -> &mut Call {
        &mut self.call
    }

    /// Audits the call, which has ended with `result`.
    pub(super) fn finish<T>(mut self, result: &Result<T, Status>) {
        match result {
            Ok(_) => self.end(Code::Ok, None),
            Err(status) => self.end(status.code(), Some(status.message())),
        }
    }

    fn end(&mut self, code: Code, message: Option<&str>) {
        self.is_open = false;
        let took = self.begun.elapsed();
        self.audit.log(&self.call, code, message, took);
        self.metrics.called(&self.call.method, code, took);
    }
}

/// The server ends before the call. After a panic, the frame audits the call.
impl Drop for OpenCall {
    fn drop(&mut self) {
        if !self.is_open || thread::panicking() {
            return;
        }
        let message = if self.deadline.has_begun_change() {
            "the server has ended before the call, and the change may be done"
        } else {
            "the server has ended before the call, and nothing was changed"
        };
        self.end(Code::Unavailable, Some(message));
    }
}
