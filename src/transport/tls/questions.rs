//! Questions of those who issue certificates: whether a name is ours (tls-alpn-01, RFC 8737).
//!
//! They are put by a handshake of their own, which ends the connection. [`Questions::expect`] has all listeners answer
//! one, until what it gives is dropped; nothing here costs a viewer anything while none is expected.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Problem, feed, word};

/// What the issuer offers, and nothing beside it.
const PROTOCOL: &[u8] = b"acme-tls/1";

/// The longest first message of a client that is looked at: a name and a protocol need a few hundred bytes, keys that
/// withstand quantum computers two thousand.
const LONGEST: usize = 32 << 10;

/// As much is read at once: a whole first message, as a rule.
const PIECE: usize = 4 << 10;

/// What is expected, by name. Cheap to clone: all see the same.
#[derive(Clone, Default)]
pub struct Questions(Arc<ArcSwap<HashMap<String, Arc<ServerConfig>>>>);

/// A question that is expected; no more, once this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Expected {
    name: String,
    among: Questions,
}

/// What a client wants that has said its first words.
pub(super) enum Caller {
    /// To be served.
    Client,
    /// An answer, by these terms.
    Issuer(Arc<ServerConfig>),
}

impl Questions {
    /// Answers a question for a name from now on, with the digest that its issuer wants to see.
    ///
    /// # Errors
    /// Where no certificate can be made for the name.
    pub fn expect(&self, name: &str, digest: &[u8]) -> Result<Expected, Problem> {
        let answer = Arc::new(answer(name, digest)?);
        let name = name.to_ascii_lowercase();
        self.0.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.insert(name.clone(), answer.clone());
            all
        });
        let among = self.clone();
        Ok(Expected { name, among })
    }

    /// Whether any is expected.
    pub(super) fn are_expected(&self) -> bool {
        !self.0.load().is_empty()
    }

    /// Listens to the client's first words. They are added to what was read already, and are still to be answered; what is
    /// wrong with them is met again by the handshake.
    ///
    /// # Errors
    /// When the client leaves.
    pub(super) async fn hear(
        &self,
        stream: &mut TcpStream,
        unread: Bytes,
    ) -> io::Result<(Caller, Bytes)> {
        let mut words = BytesMut::from(unread);
        let mut acceptor = Acceptor::default();
        let mut heard = 0;
        loop {
            while heard < words.len() {
                match acceptor.read_tls(&mut &words[heard..]) {
                    Ok(0) | Err(_) => return Ok((Caller::Client, words.freeze())),
                    Ok(read) => heard += read,
                }
            }
            match acceptor.accept() {
                Ok(None) if words.len() < LONGEST => {}
                Ok(Some(accepted)) => {
                    let caller = self.caller(&accepted.client_hello());
                    return Ok((caller, words.freeze()));
                }
                _ => return Ok((Caller::Client, words.freeze())),
            }
            words.reserve(PIECE);
            if stream.read_buf(&mut words).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn caller(&self, hello: &ClientHello<'_>) -> Caller {
        let asks = hello.alpn().is_some_and(|offered| offered.eq([PROTOCOL]));
        let name = hello.server_name().filter(|_| asks);
        let answer = name.and_then(|name| self.0.load().get(&name.to_ascii_lowercase()).cloned());
        answer.map_or(Caller::Client, Caller::Issuer)
    }
}

/// Shakes hands with an issuer, and takes leave. A word for the metric is all that remains.
pub(super) async fn answered(
    stream: TcpStream,
    words: Bytes,
    terms: Arc<ServerConfig>,
) -> &'static str {
    let handshake = TlsAcceptor::from(terms).accept_with(stream, |session| feed(session, &words));
    match handshake.await {
        Err(error) => word(&error),
        Ok(mut stream) => {
            // It has seen all there is; that it left first is no matter.
            let _ = stream.shutdown().await;
            "issuer"
        }
    }
}

/// A certificate that says the digest, and the terms that show it: whatever the listener asks of its clients otherwise.
fn answer(name: &str, digest: &[u8]) -> Result<ServerConfig, Problem> {
    let failed = |error: &dyn fmt::Display| Problem(format!("cannot prove {name}: {error}"));
    if digest.len() != 32 {
        return Err(failed(&"the digest is none of SHA-256"));
    }
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let mut params = CertificateParams::new([name.to_owned()]).map_err(|error| failed(&error))?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = any_supported_type(&key).map_err(|error| failed(&error))?;
    // Not checked: the extension that answers is critical, and unknown to whoever looks at certificates for the web.
    let shown = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut terms = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    terms.alpn_protocols = vec![PROTOCOL.to_vec()];
    terms.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(terms)
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.among.0.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.remove(&self.name);
            all
        });
    }
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.load().keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use tokio::net::TcpListener;

    use super::*;

    const DIGEST: [u8; 32] = [7; 32];

    /// A client's first words.
    fn words(name: &'static str, protocols: &[&[u8]]) -> Vec<u8> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from(name).unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut words = Vec::new();
        session.write_tls(&mut words).unwrap();
        words
    }

    /// Who is heard where these words come, the first few of which were read before. They all have to be there after.
    async fn heard(questions: &Questions, words: &[u8], before: usize) -> Caller {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(addr).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let (first, rest) = words.split_at(before);
        client.write_all(rest).await.unwrap();
        let (caller, all) = questions
            .hear(&mut stream, Bytes::copy_from_slice(first))
            .await
            .unwrap();
        assert!(words.starts_with(&all) && all.len() <= 2 * LONGEST);
        caller
    }

    #[tokio::test]
    async fn an_issuer_is_told_from_clients_however_its_words_come() {
        let questions = Questions::default();
        let expected = questions.expect("vod.example", &DIGEST).unwrap();
        let asks = words("vod.example", &[PROTOCOL]);
        for before in [0, 3, 100, asks.len()] {
            let caller = heard(&questions, &asks, before).await;
            assert!(matches!(caller, Caller::Issuer(_)), "{before}");
        }
        for words in [
            words("other.example", &[PROTOCOL]),
            words("vod.example", &[b"h2", b"http/1.1"]),
            words("vod.example", &[]),
            // RFC 8737 section 3: that protocol and no other.
            words("vod.example", &[PROTOCOL, b"h2"]),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        ] {
            let caller = heard(&questions, &words, 0).await;
            assert!(matches!(caller, Caller::Client));
        }
        drop(expected);
        assert!(!questions.are_expected());
        assert!(matches!(heard(&questions, &asks, 0).await, Caller::Client));
    }

    #[tokio::test]
    async fn one_that_never_comes_to_the_point_is_not_listened_to_for_ever() {
        let questions = Questions::default();
        let _expected = questions.expect("vod.example", &DIGEST).unwrap();
        // Three records of a first message of 65,535 bytes.
        let record = |payload: &[u8]| [&[22, 3, 1, 0x40, 0], payload].concat();
        let mut payload = vec![0; 0x4000];
        let rest = record(&payload);
        payload[..4].copy_from_slice(&[1, 0, 0xff, 0xff]);
        let words = [record(&payload), rest.clone(), rest].concat();
        assert!(matches!(heard(&questions, &words, 0).await, Caller::Client));
    }

    #[test]
    fn a_question_outlives_another_ones_end() {
        let questions = Questions::default();
        let first = questions.expect("a.example", &DIGEST).unwrap();
        let _second = questions.expect("B.example", &DIGEST).unwrap();
        drop(first);
        assert_eq!(format!("{questions:?}"), "{\"b.example\"}");
        assert!(questions.expect("c.example", &[0; 31]).is_err());
    }
}
