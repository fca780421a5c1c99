//! A server for tests: a child process that accepts connections when it is returned, and that is
//! killed when it is dropped.

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
    /// Starts `command`, which must listen on `address`. Its output goes to the log folder.
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
            bail!("the process ended with {status}");
        }
        TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both calls fail if the process has ended already, which is not an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of [`MACHINE`] with a free port.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    ensure!(
        std::fs::read_to_string("/proc/1/comm")?.trim() == "isolate",
        "this test needs the namespaces that `tests/run` creates: run `make e2e`"
    );
    Ok(TcpListener::bind((MACHINE, 0))?.local_addr()?)
}
