//! A server of the tests: a child process that answers before anybody is told of it and ends
//! with its owner.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use crate::{MACHINE, eventually, paths};

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `command`, which is to listen on `address`. Its output goes to the log folder.
    pub(crate) fn start(
        name: &str,
        address: SocketAddr,
        mut command: Command,
    ) -> anyhow::Result<Self> {
        let folder = paths::cache()?.join("log");
        let log = folder.join(format!("{name}-{}.log", address.port()));
        let output = fs::create_dir_all(&folder)
            .and_then(|()| File::create(&log))
            .with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut server = Self { child, address };
        eventually(name, Duration::from_mins(1), || server.answers())
            .with_context(|| format!("its log is {}", log.display()))?;
        Ok(server)
    }

    fn answers(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("it ended with {status}");
        }
        TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already needs neither.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of [`MACHINE`] that nothing listens on.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    ensure!(
        std::fs::read_to_string("/proc/1/comm")?.trim() == "isolate",
        "this test needs the namespaces that `tests/run` makes: run `make e2e`"
    );
    Ok(TcpListener::bind((MACHINE, 0))?.local_addr()?)
}
