//! The expression that a secure link signs: nginx's notation, with `{secret}` where the secret stands.

use std::fmt;

/// What the secret's place is written as.
const SECRET: &str = "{secret}";

/// Something of the request that an expression signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// `$secure_link_expires`: the end, as it is sent.
    Expires,
    /// `$uri`: the path, decoded.
    Uri,
    /// `$remote_addr`: the viewer's address.
    RemoteAddr,
    /// `$host`: the host asked for, in lower case and without a port.
    Host,
    /// `$arg_NAME`: a parameter of the query, as it is sent; empty where it is missing.
    Arg(Box<str>),
}

/// Why an expression cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// The secret's place is not there exactly once.
    #[error("write `{SECRET}` exactly once, where nginx's has the secret itself")]
    Secret,
    /// Not a variable that is known.
    #[error(
        "the variable `${0}` is not known: use $secure_link_expires, $uri, $remote_addr, $host, $arg_NAME"
    )]
    Unknown(String),
    /// A `$` without a name.
    #[error("a `$` must be followed by a variable's name")]
    NoName,
    /// Hashes cannot cover themselves.
    #[error("the variable `${0}` is the hash itself, which it cannot sign")]
    Itself(String),
    /// A character that no request has.
    #[error("a NUL character cannot be signed")]
    Nul,
}

/// An expression taken apart.
pub(super) struct Expression {
    before: Box<[Part]>,
    after: Box<[Part]>,
}

enum Part {
    Text(Box<str>),
    Variable(Variable),
}

impl Expression {
    /// Reads an expression for links whose hash and end have these names.
    pub(super) fn parse(text: &str, md5: &str, expires: &str) -> Result<Self, ExpressionError> {
        if text.contains('\0') {
            return Err(ExpressionError::Nul);
        }
        let (before, after) = text.split_once(SECRET).ok_or(ExpressionError::Secret)?;
        if after.contains(SECRET) {
            return Err(ExpressionError::Secret);
        }
        let read = |text| parts(text, md5, expires);
        Ok(Self {
            before: read(before)?,
            after: read(after)?,
        })
    }

    /// Whether it signs this.
    pub(super) fn names(&self, wanted: &Variable) -> bool {
        let mut parts = self.before.iter().chain(&self.after);
        parts.any(|part| matches!(part, Part::Variable(variable) if variable == wanted))
    }

    /// The end, what stands before the secret and what stands behind it, each but the last closed by a NUL. `push`
    /// writes a variable's value, which must have no NUL in it.
    pub(super) fn bind<E>(
        &self,
        end: &str,
        mut push: impl FnMut(&Variable, &mut String) -> Result<(), E>,
    ) -> Result<String, E> {
        let mut out = String::with_capacity(192);
        out.push_str(end);
        for parts in [&self.before, &self.after] {
            out.push('\0');
            for part in parts {
                match part {
                    Part::Text(text) => out.push_str(text),
                    Part::Variable(variable) => push(variable, &mut out)?,
                }
            }
        }
        Ok(out)
    }
}

/// Shows the variables alone: text beside them may be meant to be secret.
impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.before.iter().chain(&self.after);
        let variables = parts.filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Variable(variable) => Some(variable),
        });
        f.debug_list().entries(variables).finish()
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expires => f.write_str("$secure_link_expires"),
            Self::Uri => f.write_str("$uri"),
            Self::RemoteAddr => f.write_str("$remote_addr"),
            Self::Host => f.write_str("$host"),
            Self::Arg(name) => write!(f, "$arg_{name}"),
        }
    }
}

fn parts(text: &str, md5: &str, expires: &str) -> Result<Box<[Part]>, ExpressionError> {
    let mut pieces = text.split('$');
    let mut parts = Vec::new();
    let push_text = |parts: &mut Vec<Part>, text: &str| {
        if !text.is_empty() {
            parts.push(Part::Text(text.into()));
        }
    };
    push_text(&mut parts, pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = name_of(piece).ok_or(ExpressionError::NoName)?;
        parts.push(Part::Variable(variable(name, md5, expires)?));
        push_text(&mut parts, rest);
    }
    Ok(parts.into())
}

/// A variable's name, with or without braces, and what follows it.
fn name_of(piece: &str) -> Option<(&str, &str)> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let (name, rest) = match piece.strip_prefix('{') {
        Some(inner) => inner.split_once('}')?,
        None => piece.split_at(piece.bytes().take_while(|byte| is_name(*byte)).count()),
    };
    (!name.is_empty() && name.bytes().all(is_name)).then_some((name, rest))
}

fn variable(name: &str, md5: &str, expires: &str) -> Result<Variable, ExpressionError> {
    match name {
        "secure_link_expires" => Ok(Variable::Expires),
        "uri" => Ok(Variable::Uri),
        "remote_addr" => Ok(Variable::RemoteAddr),
        "host" => Ok(Variable::Host),
        _ => match name.strip_prefix("arg_").filter(|arg| !arg.is_empty()) {
            Some(arg) if arg.eq_ignore_ascii_case(md5) => {
                Err(ExpressionError::Itself(name.to_owned()))
            }
            // The end by its other name, which says the same for links that travel outside of the query.
            Some(arg) if arg.eq_ignore_ascii_case(expires) => Ok(Variable::Expires),
            Some(arg) => Ok(Variable::Arg(arg.into())),
            None => Err(ExpressionError::Unknown(name.to_owned())),
        },
    }
}
