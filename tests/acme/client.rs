//! A client that speaks TLS and asks once, at the test's own pace.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

#[derive(Clone)]
pub(crate) struct Client(Arc<ClientConfig>);

/// What came back, and what the server showed for it.
pub(crate) struct Answer {
    pub(crate) body: String,
    pub(crate) shown: CertificateDer<'static>,
}

impl Client {
    /// One that believes these issuers, and offers these protocols.
    pub(crate) fn trusting(
        roots: impl IntoIterator<Item = CertificateDer<'static>>,
        protocols: &[&str],
    ) -> Self {
        let mut believed = RootCertStore::empty();
        roots
            .into_iter()
            .for_each(|root| believed.add(root).unwrap());
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(believed)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        // A session that is resumed shows no certificate.
        config.resumption = rustls::client::Resumption::disabled();
        Self(Arc::new(config))
    }

    /// Asks for a path by a name.
    pub(crate) fn get(&self, addr: SocketAddr, name: &str, path: &str) -> Result<Answer, String> {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let socket = TcpStream::connect(addr).map_err(|error| failed(&error))?;
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let server = ServerName::try_from(name.to_owned()).unwrap();
        let session = ClientConnection::new(self.0.clone(), server).unwrap();
        let mut stream = StreamOwned::new(session, socket);
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
        )
        .map_err(|error| failed(&error))?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .map_err(|error| failed(&error))?;
        let shown = stream.conn.peer_certificates().unwrap()[0]
            .clone()
            .into_owned();
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(Answer {
                body: body.to_owned(),
                shown,
            }),
            _ => Err(format!("no good answer: {answer:?}")),
        }
    }
}
