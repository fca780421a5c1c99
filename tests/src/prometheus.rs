//! Debian's Prometheus, which scrapes one webhook every second.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::server::{Server, free_address};

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    address: SocketAddr,
    _server: Server,
}

impl Prometheus {
    /// Starts Prometheus in `folder`. It scrapes `target`, and evaluates the file `rules` every
    /// second. `labels` are added to each series, as the Prometheus Operator does.
    pub fn start(
        folder: &Path,
        target: SocketAddr,
        labels: &Value,
        rules: &Path,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let config = folder.join("prometheus.yaml");
        let settings = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "kees",
                "static_configs": [{"targets": [target.to_string()], "labels": labels}],
            }],
        });
        fs::write(&config, settings.to_string())?;
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"));
        let server = Server::start("prometheus", address, command)?;
        Ok(Self {
            address,
            _server: server,
        })
    }

    /// The result of an expression at this moment: a list of series.
    pub fn query(&self, expression: &str) -> anyhow::Result<Vec<Value>> {
        let form = format!("query={}", percent_encoded(expression));
        let response = http(
            self.address,
            &format!(
                "POST /api/v1/query HTTP/1.0\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                 content-length: {}\r\n\r\n{form}",
                form.len()
            ),
        )?;
        let response: Value = serde_json::from_str(&response)?;
        ensure!(response["status"] == "success", "{expression}: {response}");
        let result = response["data"]["result"].as_array();
        Ok(result.context("the result is not a list")?.clone())
    }

    /// All alert rules, with the result of their last evaluation.
    pub fn rules(&self) -> anyhow::Result<Vec<Value>> {
        let response = http(self.address, "GET /api/v1/rules HTTP/1.0\r\n\r\n")?;
        let response: Value = serde_json::from_str(&response)?;
        let groups = response["data"]["groups"].as_array();
        let rules = groups.into_iter().flatten();
        Ok(rules
            .filter_map(|group| group["rules"].as_array())
            .flatten()
            .cloned()
            .collect())
    }
}

/// Runs promtool with `input`, and returns its output. It is an error if promtool finds one.
pub fn promtool(folder: &Path, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let mut child = Command::new("promtool")
        .current_dir(folder)
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .context("cannot start promtool")?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output()?;
    let output = [stdout, stderr].concat();
    let output = String::from_utf8_lossy(&output).into_owned();
    ensure!(status.success(), "promtool {arguments:?}: {output}");
    Ok(output)
}

/// Sends a request of HTTP/1.0, and returns the body of the response.
pub fn http(address: SocketAddr, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (_, body) = response
        .split_once("\r\n\r\n")
        .context("the response has no body")?;
    Ok(body.to_owned())
}

fn percent_encoded(text: &str) -> String {
    let encoded: Vec<_> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    encoded.concat()
}
