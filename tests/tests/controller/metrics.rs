//! The metrics of the controller, and of sidecars.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use anyhow::{Context as _, ensure};

/// The metrics of the controller at this address.
pub(crate) fn scrape(address: &str) -> anyhow::Result<String> {
    scrape_port(address, 8080)
}

/// The metrics at a port of this address.
pub(crate) fn scrape_port(address: &str, port: u16) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect((address, port))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    ensure!(
        text.get(8..).is_some_and(|rest| rest.starts_with(" 200")),
        "{text}"
    );
    Ok(text)
}

/// The value of one series.
pub(crate) fn value(metrics: &str, series: &str) -> anyhow::Result<f64> {
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(value.with_context(|| format!("no {series}"))?.parse()?)
}
