//! Formats of tokens with their keys, as the configuration names them. `caudal sign` makes its own with the same.

use std::sync::Arc;

use super::super::secrets::Secrets;
use super::published::Published;
use crate::access::token::akamai::{self, EdgeAuth};
use crate::access::token::cat::{self, Cat};
use crate::access::token::cloudfront::{self, CloudFront};
use crate::access::token::jwt::{self, Jwt};
use crate::access::token::secure_link::{self, SecureLink};
use crate::access::{Carrier, Format, Scheme, Secret};
use crate::config::secret::{Encoding, Reference, decode};
use crate::config::{self, Config, EdgeHash, Key, Token, TokenFormat};

/// A format with its keys, and where its tokens are looked for.
pub(super) fn scheme(
    config: &Config,
    name: &str,
    token: &Token,
    secrets: &Secrets,
    published: &mut Published,
) -> Result<Scheme, String> {
    let keys = Keys { config, secrets };
    let format: Arc<dyn Format> = match &token.format {
        TokenFormat::Jwt(settings) => {
            let format = Arc::new(keys.jwt(token, settings)?);
            published.serve(name, &format);
            format
        }
        TokenFormat::CloudFront { resource } => Arc::new(keys.cloudfront(token, resource.clone())?),
        TokenFormat::Akamai { name, hash, salt } => {
            Arc::new(keys.akamai(token, name, *hash, salt.as_deref())?)
        }
        TokenFormat::SecureLink { expression } => Arc::new(keys.secure_link(token, expression)?),
        TokenFormat::Cat { issuer, audience } => Arc::new(keys.cat(token, issuer, audience)?),
    };
    let carriers = token.carriers.iter().map(|carrier| match carrier {
        config::Carrier::Path => Carrier::Path,
        config::Carrier::Query => Carrier::Query,
        config::Carrier::Header => Carrier::Header,
        config::Carrier::Cookie => Carrier::Cookie,
    });
    Ok(Scheme {
        format,
        carriers: carriers.collect(),
    })
}

/// The secret of a key that is used as it is: by the origin lock, for the debug header, as a salt.
pub(super) fn secret(config: &Config, secrets: &Secrets, name: &str) -> Result<Secret, String> {
    let keys = Keys { config, secrets };
    let key = keys.named(name)?;
    keys.decoded(name, key, &key.secret)
}

/// What keys are looked up in.
pub(super) struct Keys<'a> {
    pub(super) config: &'a Config,
    pub(super) secrets: &'a Secrets,
}

impl Keys<'_> {
    fn named(&self, name: &str) -> Result<&Key, String> {
        let key = self.config.key.get(name);
        key.ok_or_else(|| format!("there is no [key.{name}]"))
    }

    fn decoded(&self, name: &str, key: &Key, reference: &Reference) -> Result<Secret, String> {
        let secret = self.secrets.of(reference)?;
        decode(secret.reveal(), key.encoding).map_err(|error| format!("key.{name}: {error}"))
    }

    /// The secret, or the public key.
    fn of(&self, name: &str) -> Result<(&Key, Secret), String> {
        let key = self.named(name)?;
        Ok((key, self.decoded(name, key, &key.secret)?))
    }

    /// What signs where there is such, else what verifies.
    fn strongest(&self, name: &str, key: &Key) -> Result<Secret, String> {
        self.decoded(name, key, key.private.as_ref().unwrap_or(&key.secret))
    }

    pub(super) fn jwt(&self, token: &Token, settings: &config::Jwt) -> Result<Jwt, String> {
        let key = |name: &String| {
            let key = self.named(name)?;
            let secret = self.strongest(name, key)?;
            let algorithm = key.algorithm.as_deref().unwrap_or_default();
            let algorithm = jwt::Algorithm::parse(algorithm)
                .ok_or_else(|| format!("key.{name}.algorithm is none that JWT has here"))?;
            let material = match secret.reveal().trim_ascii_start() {
                [b'{', ..] => jwt::Material::Jwk(secret),
                [b'-', b'-', ..] => jwt::Material::Pem(secret),
                _ => jwt::Material::Secret(secret),
            };
            Ok(jwt::KeySettings {
                name: name.clone(),
                kid: Some(key.id.clone().unwrap_or_else(|| name.clone())),
                algorithm,
                material,
            })
        };
        let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
        let settings = jwt::Settings {
            query: settings.name.clone(),
            header: settings.header.clone(),
            cookie: settings.name.clone(),
            issuer: some(&settings.issuer),
            audience: some(&settings.audience),
            require_expiry: settings.require_expiry,
            subject_in_path: settings.subject_in_path,
            keys: token.keys.iter().map(key).collect::<Result<_, String>>()?,
        };
        Jwt::new(settings).map_err(|error| error.to_string())
    }

    pub(super) fn cloudfront(
        &self,
        token: &Token,
        resource: Option<String>,
    ) -> Result<CloudFront, String> {
        let key = |name: &String| {
            let (key, public) = self.of(name)?;
            let private = key.private.as_ref();
            let private = private.map(|private| self.decoded(name, key, private));
            Ok(cloudfront::KeySettings {
                id: key.id.clone().unwrap_or_else(|| name.clone()),
                public: text(name, &public)?,
                private: private.transpose()?,
            })
        };
        let keys = token.keys.iter().map(key).collect::<Result<_, String>>()?;
        let settings = cloudfront::Settings {
            keys,
            resource_base: resource,
        };
        CloudFront::new(settings).map_err(|error| error.to_string())
    }

    pub(super) fn akamai(
        &self,
        token: &Token,
        name: &str,
        hash: EdgeHash,
        salt: Option<&str>,
    ) -> Result<EdgeAuth, String> {
        let key = |name: &String| {
            let (key, secret) = self.of(name)?;
            // Akamai's keys are written in hexadecimal, and kept as they are written.
            let secret = match key.encoding {
                Encoding::Raw => akamai::hex_key(&text(name, &secret)?)
                    .map_err(|error| format!("key.{name}: {error}"))?,
                _ => secret,
            };
            Ok((Arc::from(name.as_str()), secret))
        };
        let settings = akamai::Settings {
            keys: token.keys.iter().map(key).collect::<Result<_, String>>()?,
            algorithm: match hash {
                EdgeHash::Sha256 => akamai::Algorithm::Sha256,
                EdgeHash::Sha1 => akamai::Algorithm::Sha1,
                EdgeHash::Md5 => akamai::Algorithm::Md5,
            },
            salt: match salt {
                Some(salt) => Some(secret(self.config, self.secrets, salt)?),
                None => None,
            },
            name: name.to_owned(),
        };
        EdgeAuth::new(&settings).map_err(|error| error.to_string())
    }

    pub(super) fn secure_link(
        &self,
        token: &Token,
        expression: &str,
    ) -> Result<SecureLink, String> {
        let secret = |name: &String| Ok((Arc::from(name.as_str()), self.of(name)?.1));
        let secrets = token.keys.iter().map(secret);
        let secrets = secrets.collect::<Result<_, String>>()?;
        let settings = secure_link::Settings::new(expression, secrets);
        SecureLink::new(&settings).map_err(|error| error.to_string())
    }

    pub(super) fn cat(
        &self,
        token: &Token,
        issuers: &[String],
        audiences: &[String],
    ) -> Result<Cat, String> {
        let settings = cat::Settings {
            keys: token
                .keys
                .iter()
                .map(|name| self.cat_key(name))
                .collect::<Result<_, String>>()?,
            issuers: issuers.to_vec(),
            audiences: audiences.to_vec(),
            names: cat::Names::default(),
        };
        Cat::new(settings).map_err(|error| error.to_string())
    }

    pub(super) fn cat_key(&self, name: &str) -> Result<cat::Key, String> {
        let key = self.named(name)?;
        let algorithm = key.algorithm.as_deref().unwrap_or_default();
        let algorithm = cat::Algorithm::parse(algorithm)
            .ok_or_else(|| format!("key.{name}.algorithm is none that CAT has: write HS256"))?;
        let kid = key.id.as_deref().unwrap_or(name);
        cat::Key::new(
            name,
            Some(kid.as_bytes()),
            algorithm,
            &self.strongest(name, key)?,
        )
        .map_err(|error| error.to_string())
    }
}

fn text(name: &str, secret: &Secret) -> Result<String, String> {
    let text = std::str::from_utf8(secret.reveal());
    text.map(str::to_owned)
        .map_err(|_| format!("key.{name} is not text: name the file of the PEM, or set encoding"))
}
