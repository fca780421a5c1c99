//! `kees-init refresh`: reads the values of a running pod again, each period, until SIGTERM. With
//! `on-change: restart` it ends once: Kubernetes shows its termination message to the controller, and starts
//! it again.

use std::{env, ffi::OsString, fs, io, path::Path, pin::pin, process::ExitCode, time::Duration};

use futures_util::future::{Either, select};
use kees_common::{OnChange, RefreshPeriod, error_chain, names, restart};
use kees_init::{
    InitError, InitSettings, Refreshed, Refresher, Request, RestartMark, RunError, until_stopped,
};
use kees_store::Stores;
use tokio::time::sleep;

use crate::{
    log, metrics_server, on_change,
    refresh_metrics::{Metrics, Outcome},
};

/// The name of the subcommand.
pub(crate) const NAME: &str = "refresh";

/// How long telling the application of a change may take, before the next refresh.
const LONGEST_ON_CHANGE: Duration = Duration::from_mins(1);

pub(crate) fn main() -> ExitCode {
    let program = env::args_os().take(1);
    let arguments: Vec<OsString> = program.chain(env::args_os().skip(2)).collect();
    let settings = match crate::start(arguments) {
        Ok(settings) => settings,
        Err(status) => return status,
    };
    match until_stopped(work(&settings)) {
        Ok(Ok(Ok(AsksForRestart))) => {
            tracing::info!("ends, so that the controller restarts the workload of this pod");
            ExitCode::SUCCESS
        }
        Ok(Ok(Err(error))) => crate::failed(&error, &settings.log.termination_log),
        Ok(Err(stopped)) => {
            tracing::info!("stopped by {}", stopped.signal());
            ExitCode::SUCCESS
        }
        Err(error) => crate::no_runtime(&error),
    }
}

/// The sidecar ends by itself: the workload of its pod is to be restarted.
struct AsksForRestart;

/// Refreshes until it is dropped, or until it asks for a restart. An error is a wrong setting or
/// annotation.
async fn work(settings: &InitSettings) -> Result<AsksForRestart, RunError> {
    let period = settings.refresh.period.ok_or_else(|| InitError::Setting {
        variable: names::env::REFRESH,
        error: "is missing; name a period, such as 5m".to_owned(),
    })?;
    let request = Request::read(settings)?;
    let stores = Stores::open(request.stores(), &settings.stores())
        .await
        .map_err(InitError::Store)?;
    tracing::info!("the values are read again every {period}");
    let metrics = Metrics::new(period);
    let refreshing = pin!(refresh(request, &stores, settings, period, &metrics));
    let serving = pin!(metrics_server::serve(
        settings.refresh.metrics_port,
        &metrics
    ));
    match select(refreshing, serving).await {
        Either::Left((asks, _)) => Ok(asks),
        Either::Right((never, _)) => match never {},
    }
}

async fn refresh(
    request: Request,
    stores: &Stores,
    settings: &InitSettings,
    period: RefreshPeriod,
    metrics: &Metrics,
) -> AsksForRestart {
    let termination_log = &settings.log.termination_log;
    let action = settings.refresh.on_change.as_ref();
    let mark = RestartMark::of(&request);
    let has_asked = action == Some(&OnChange::Restart) && mark.is_set();
    // One request is enough for a pod, because a restart replaces it.
    let action = action.filter(|_| !has_asked);
    let mut refresher = Refresher::new(request, stores);
    let mut pause = if has_asked {
        write_message(termination_log, restart::REQUEST);
        // This process does not know the earlier values, and a store may still answer them.
        next_pause(period)
    } else {
        first_pause(period)
    };
    // Whether the application does not know yet of its new files.
    let mut is_pending = false;
    loop {
        sleep(pause).await;
        let outcome = refresher.refresh(&log::Steps::default()).await;
        kees_init::wipe_stack();
        is_pending |= matches!(outcome, Ok(Refreshed::Replaced { .. }));
        tell(&outcome);
        metrics.count(match &outcome {
            Ok(Refreshed::Unchanged) => Outcome::Unchanged,
            Ok(Refreshed::Replaced { .. }) => Outcome::Replaced,
            Err(_) => Outcome::Failed,
        });
        let mut message = Vec::from_iter(has_asked.then(|| restart::REQUEST.to_owned()));
        if let Err(error) = &outcome {
            let error = error.termination_message();
            message.push(format!("the last refresh failed; {error}"));
        }
        if let Some(action) = action.filter(|_| is_pending) {
            let longest = period.get().min(LONGEST_ON_CHANGE);
            match on_change::tell(action, longest, termination_log).await {
                Ok(()) if *action == OnChange::Restart => {
                    report_mark(mark.set());
                    return AsksForRestart;
                }
                Ok(()) => is_pending = false,
                Err(error) => {
                    metrics.count_untold();
                    let error = error_chain::describe(&error);
                    let action = action.without_query();
                    tracing::error!(
                        "{action} failed, and is tried again at the next refresh: {error}"
                    );
                    message.push(format!("{action} failed: {error}"));
                }
            }
        }
        write_message(termination_log, &message.join("\n"));
        pause = next_pause(period);
    }
}

fn tell(refreshed: &Result<Refreshed, RunError>) {
    match refreshed {
        Ok(Refreshed::Unchanged) => tracing::debug!("no value has changed"),
        Ok(Refreshed::Replaced { changed }) if changed.is_empty() => {
            tracing::info!("the files were replaced");
        }
        Ok(Refreshed::Replaced { changed }) => {
            let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
            let changed = log::list(&changed);
            tracing::info!("the files were replaced; changed: {changed}");
        }
        Err(error) => {
            for error in error.errors() {
                tracing::error!("{}", error.line());
            }
            tracing::error!("the refresh failed, and the files keep their values");
        }
    }
}

/// What Kubernetes shows of this container when it ends, for whatever reason: the errors of the last
/// refresh, or nothing.
fn write_message(termination_log: &Path, message: &str) {
    let written = fs::read_to_string(termination_log);
    if written.is_ok_and(|written| written == message) {
        return;
    }
    report(crate::write_termination_log(termination_log, message));
}

fn report(written: io::Result<()>) {
    if let Err(error) = written {
        tracing::debug!(%error, "no termination message");
    }
}

/// Without the mark, the next process asks again, which is safe.
fn report_mark(set: io::Result<()>) {
    if let Err(error) = set {
        tracing::warn!(%error, "the request for a restart cannot be marked in the folder of the files");
    }
}

/// Any moment of the first period, so that pods that start together do not read together.
fn first_pause(period: RefreshPeriod) -> Duration {
    period.get().mul_f64(fastrand::f64())
}

/// The period, up to a tenth shorter or longer.
fn next_pause(period: RefreshPeriod) -> Duration {
    period.get().mul_f64(0.9 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread_around_the_period() {
        let period: RefreshPeriod = "5m".parse().unwrap();
        let seconds = |pause: Duration| pause.as_secs();
        let first: Vec<u64> = (0..1000).map(|_| seconds(first_pause(period))).collect();
        assert!(first.iter().all(|seconds| *seconds <= 300));
        assert!(first.iter().any(|seconds| *seconds < 60));
        assert!(first.iter().any(|seconds| *seconds > 240));
        let next: Vec<u64> = (0..1000).map(|_| seconds(next_pause(period))).collect();
        assert!(next.iter().all(|seconds| (270..=330).contains(seconds)));
        assert!(next.iter().any(|seconds| *seconds < 280));
        assert!(next.iter().any(|seconds| *seconds > 320));
    }
}
