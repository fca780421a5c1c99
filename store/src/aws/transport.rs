//! The HTTP client of all AWS calls, including those of STS: one pool of connections, created for
//! the first request.
//!
//! The URL of a request decides how it is sent. For `http://` no certificates are loaded. Requests
//! to link-local addresses (the EKS Pod Identity agent, the metadata service) never use a proxy,
//! because the proxy would see the pod's token.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpClient, SharedHttpConnector,
        },
        orchestrator::HttpRequest,
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
};
use http::Uri;

use super::{
    error::AwsError,
    settings::AwsSettings,
    trust::{self, Roots},
};
use crate::ErrorKind;

/// Every connection of one run.
#[derive(Clone)]
pub(super) struct Transport(Arc<Inner>);

struct Inner {
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    no_proxy: Option<String>,
    operator_roots: Option<Roots>,
    connectors: Mutex<HashMap<(Route, Timeouts), SharedHttpConnector>>,
}

/// What the connections to a host have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Route {
    scheme: Scheme,
    proxied: bool,
    /// `None` if neither the proxy nor the host uses TLS.
    roots: Option<Roots>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Timeouts {
    connect: Option<Duration>,
    read: Option<Duration>,
}

impl Transport {
    /// The client for all services.
    pub(super) fn shared(settings: &AwsSettings) -> SharedHttpClient {
        SharedHttpClient::new(Self::new(settings))
    }

    fn new(settings: &AwsSettings) -> Self {
        Self(Arc::new(Inner {
            http_proxy: settings.http_proxy.clone(),
            https_proxy: settings.https_proxy.clone(),
            no_proxy: settings.no_proxy.clone(),
            operator_roots: Roots::of_operator(settings),
            connectors: Mutex::default(),
        }))
    }
}

/// The proxies are left out, because their URLs may contain a password.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl HttpClient for Transport {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let timeouts = Timeouts {
            connect: settings.connect_timeout(),
            read: settings.read_timeout(),
        };
        SharedHttpConnector::new(ByUrl {
            transport: self.clone(),
            timeouts,
        })
    }
}

/// Sends each request through the connector that its URL needs.
#[derive(Debug)]
struct ByUrl {
    transport: Transport,
    timeouts: Timeouts,
}

impl HttpConnector for ByUrl {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.transport.0.connector(request.uri(), self.timeouts) {
            Ok(connector) => HttpConnectorFuture::new(async move {
                let host = host_of(request.uri());
                connector
                    .call(request)
                    .await
                    .map_err(|error| with_host(host, error))
            }),
            Err(error) => HttpConnectorFuture::ready(Err(ConnectorError::user(Box::new(error)))),
        }
    }
}

impl Inner {
    fn connector(&self, url: &str, timeouts: Timeouts) -> Result<SharedHttpConnector, AwsError> {
        let route = self.route(url)?;
        let mut connectors = self
            .connectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = connectors.get(&(route.clone(), timeouts)) {
            return Ok(connector.clone());
        }
        let connector = self.connect_by(&route, timeouts)?;
        connectors.insert((route, timeouts), connector.clone());
        Ok(connector)
    }

    fn route(&self, url: &str) -> Result<Route, AwsError> {
        let uri: Uri = url.parse().map_err(|error| {
            setup(
                format!("the endpoint {url} is not a URL: {error}"),
                "AWS_ENDPOINT",
            )
        })?;
        let host = uri.host().unwrap_or_default();
        let scheme = if uri.scheme_str() == Some("https") {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let proxy = self.proxy(scheme).filter(|_| !is_link_local(host));
        let over_tls =
            scheme == Scheme::Https || proxy.is_some_and(|url| url.starts_with("https:"));
        let roots = || {
            self.operator_roots
                .clone()
                .unwrap_or_else(|| Roots::of_host(host))
        };
        Ok(Route {
            scheme,
            proxied: proxy.is_some(),
            roots: over_tls.then(roots),
        })
    }

    fn proxy(&self, scheme: Scheme) -> Option<&str> {
        match scheme {
            Scheme::Http => self.http_proxy.as_deref(),
            Scheme::Https => self.https_proxy.as_deref(),
        }
    }

    fn connect_by(
        &self,
        route: &Route,
        timeouts: Timeouts,
    ) -> Result<SharedHttpConnector, AwsError> {
        let context = match &route.roots {
            Some(roots) => roots.load()?,
            None => trust::no_roots()?,
        };
        let mut settings = HttpConnectorSettings::builder();
        settings
            .set_connect_timeout(timeouts.connect)
            .set_read_timeout(timeouts.read);
        let connector = Connector::builder()
            .connector_settings(settings.build())
            .proxy_config(self.proxy_config(route)?)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context)
            .build();
        Ok(SharedHttpConnector::new(connector))
    }

    fn proxy_config(&self, route: &Route) -> Result<ProxyConfig, AwsError> {
        let Some(url) = self.proxy(route.scheme).filter(|_| route.proxied) else {
            return Ok(ProxyConfig::disabled());
        };
        // A proxy without a scheme uses plain HTTP, as in other programs.
        let url = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let (variable, config) = match route.scheme {
            Scheme::Http => ("HTTP_PROXY", ProxyConfig::http(url)),
            Scheme::Https => ("HTTPS_PROXY", ProxyConfig::https(url)),
        };
        let config = config.map_err(|error| setup(format!("{variable}: {error}"), variable))?;
        Ok(match &self.no_proxy {
            Some(hosts) => config.no_proxy(hosts),
            None => config,
        })
    }
}

/// An error with the name of the host, which the HTTP client leaves out.
#[derive(Debug, thiserror::Error)]
#[error("talking to {host} failed")]
struct At {
    host: String,
    source: BoxError,
}

/// Makes every error of the connection a timeout or an I/O error. So an error without a class
/// ([`is_unsent`](super::error::is_unsent)) was returned before the request was sent.
fn with_host(host: String, error: ConnectorError) -> ConnectorError {
    if error.is_user() {
        return error;
    }
    let is_timeout = error.is_timeout();
    let source = error.into_source();
    let at = Box::new(At { host, source });
    if is_timeout {
        ConnectorError::timeout(at)
    } else {
        ConnectorError::io(at)
    }
}

/// Host and port, without the user that a URL may contain.
fn host_of(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let authority = uri
        .as_ref()
        .and_then(Uri::authority)
        .map_or("", |a| a.as_str());
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

/// Whether `host` is an address of a service on the node itself.
fn is_link_local(host: &str) -> bool {
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(v4)) => v4.is_link_local() || v4.is_loopback(),
        // The addresses of the metadata service and the EKS Pod Identity agent begin with
        // fd00:ec2::.
        Ok(IpAddr::V6(v6)) => {
            v6.is_unicast_link_local() || v6.is_loopback() || v6.segments()[..2] == [0xfd00, 0xec2]
        }
        Err(_) => false,
    }
}

fn setup(message: String, variable: &str) -> AwsError {
    let remedy = format!("let {variable} be a URL with scheme and host, or unset it");
    AwsError::new(ErrorKind::Setup, message, remedy)
}

#[cfg(test)]
mod tests;
