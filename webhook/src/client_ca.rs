//! The CAs whose certificates clients must have, as a source that is loaded again when the file changes.

use std::path::{Path, PathBuf};

use kees_server::{Contents, Source};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem, pem::PemObject as _},
};

use crate::{WebhookError, metrics::Watched};

/// The path of the file.
#[derive(Debug, Clone)]
pub(crate) struct ClientCa(pub(crate) PathBuf);

impl Source for ClientCa {
    type Loaded = RootCertStore;
    type Error = WebhookError;

    fn name(&self) -> &'static str {
        Watched::ClientCa.as_str()
    }

    fn paths(&self) -> Vec<&Path> {
        vec![&self.0]
    }

    fn load(&self, contents: &Contents) -> Result<RootCertStore, WebhookError> {
        let failed = |source| WebhookError::Pem {
            path: self.0.clone(),
            expected: "certificate",
            source,
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&contents[0]) {
            roots
                .add(certificate.map_err(failed)?)
                .map_err(|source| WebhookError::ClientCa {
                    path: self.0.clone(),
                    source,
                })?;
        }
        if roots.is_empty() {
            return Err(failed(pem::Error::NoItemsFound));
        }
        Ok(roots)
    }
}
