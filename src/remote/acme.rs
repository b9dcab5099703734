//! Issuers that sell nothing but proof: ACME (RFC 8555), by the crate instant-acme over this module's client.
//!
//! [`Account`] is who we are there; [`Account::order`] proves who we are elsewhere and comes back with a certificate.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use instant_acme::{
    AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, HttpClient, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};

use super::Remote;

/// How often, and how long, an issuer is asked whether it has looked, and whether it has signed.
const ASKING: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

/// An account with an issuer. Formatting it shows nothing of its key.
pub struct Account(instant_acme::Account);

/// A certificate that was ordered.
pub struct Ordered {
    /// Its chain, in PEM.
    pub chain: String,
    /// Its private key, in PEM.
    pub key: String,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The issuer knows no such account: another one has to be made.
    #[error("the issuer does not know the account any more")]
    NoSuchAccount,
    /// It cannot be reached, or does not do what we ask for.
    #[error("{0}")]
    Issuer(String),
    /// It asked at the name, and did not meet us there.
    #[error("the issuer could not confirm {name}: {why}")]
    Unconfirmed {
        /// Whose name it is to be.
        name: String,
        /// In its own words.
        why: String,
    },
    /// What we were to show it could not be made.
    #[error("{0}")]
    Proof(String),
}

impl Account {
    /// Makes one. Also gives what has to be kept to [`Account::open`] it again: its private key is in it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn make(
        remote: &Remote,
        directory: &str,
        contact: Option<&str>,
    ) -> Result<(Self, Vec<u8>), Error> {
        let new = NewAccount {
            contact: contact.as_slice(),
            // Whoever configures an issuer has read them.
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let builder = instant_acme::Account::builder_with_http(Box::new(remote.clone()));
        let made = builder.create(&new, directory.to_owned(), None).await;
        let (account, credentials) = made.map_err(Error::of)?;
        let kept = serde_json::to_vec(&credentials).map_err(|error| Error::of(error.into()))?;
        Ok((Self(account), kept))
    }

    /// Opens one that was made before.
    ///
    /// # Errors
    /// See [`Error`]: [`Error::NoSuchAccount`] where what was kept is no account.
    pub async fn open(remote: &Remote, kept: &[u8]) -> Result<Self, Error> {
        let credentials = serde_json::from_slice(kept).map_err(|_| Error::NoSuchAccount)?;
        let builder = instant_acme::Account::builder_with_http(Box::new(remote.clone()));
        let opened = builder.from_credentials(credentials).await;
        opened.map(Self).map_err(Error::of)
    }

    /// Orders a certificate for these names. `show` has the listeners show, until what it gives is dropped, that a name is
    /// ours: it is given the name and the digest that the certificate for the issuer's question bears (RFC 8737 section 3).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn order<T: Send>(
        &self,
        names: &[String],
        show: impl Fn(&str, &[u8]) -> Result<T, String> + Send,
    ) -> Result<Ordered, Error> {
        let names: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
        let mut order = self
            .0
            .new_order(&NewOrder::new(&names))
            .await
            .map_err(Error::of)?;
        let shown = begin(&mut order, show).await?;
        let status = order.poll_ready(&ASKING).await;
        drop(shown);
        match status {
            Ok(OrderStatus::Invalid) => return Err(why(&mut order).await),
            // The error of an order says less than that of the name.
            Err(instant_acme::Error::Api(problem)) => {
                return Err(match why(&mut order).await {
                    Error::Issuer(_) => Error::of(problem.into()),
                    why => why,
                });
            }
            status => status.map_err(Error::of)?,
        };
        let key = order.finalize().await.map_err(Error::of)?;
        let chain = order.poll_certificate(&ASKING).await.map_err(Error::of)?;
        Ok(Ordered { chain, key })
    }
}

/// Shows what the issuer is to see at each name, and asks it to look.
async fn begin<T>(
    order: &mut Order,
    show: impl Fn(&str, &[u8]) -> Result<T, String>,
) -> Result<Vec<T>, Error> {
    let mut shown = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(Error::of)?;
        // An issuer remembers for a while what it has confirmed.
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            let why = "it does not ask by tls-alpn-01, which is how we answer".to_owned();
            return Err(Error::Unconfirmed { name, why });
        };
        let digest = challenge.key_authorization().digest();
        shown.push(show(&name, digest.as_ref()).map_err(Error::Proof)?);
        challenge.set_ready().await.map_err(Error::of)?;
    }
    Ok(shown)
}

/// Why an order became invalid: it stands with the name that could not be confirmed.
async fn why(order: &mut Order) -> Error {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let problems = authorization.challenges.iter();
        let mut problems = problems.filter_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = problems.next() {
            return Error::Unconfirmed {
                name: authorization.identifier().to_string(),
                why: problem.to_string(),
            };
        }
    }
    Error::Issuer("the issuer refuses the order, and does not say why".to_owned())
}

impl Error {
    fn of(error: instant_acme::Error) -> Self {
        let unknown = "urn:ietf:params:acme:error:accountDoesNotExist";
        match error {
            instant_acme::Error::Api(problem) if problem.r#type.as_deref() == Some(unknown) => {
                Self::NoSuchAccount
            }
            error => Self::Issuer(error.to_string()),
        }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Account")
    }
}

impl std::fmt::Debug for Ordered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ordered")
    }
}

const OURSELVES: HeaderValue =
    HeaderValue::from_static(concat!("caudal/", env!("CARGO_PKG_VERSION")));

type Answering = Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>>;

impl HttpClient for Remote {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answering {
        let remote = self.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            head.headers.insert(USER_AGENT, OURSELVES);
            let body = body.collect().await.unwrap_or_else(|never| match never {});
            let request = Request::from_parts(head, body.to_bytes());
            let answer = remote.send(request).await;
            let answer = answer.map_err(|error| instant_acme::Error::Other(error.into()))?;
            let mut response = Response::new(Full::new(answer.body));
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response.into())
        })
    }
}
