//! Parameters that are taken one by one until none is left: what nobody took is unknown.
//! Must not know what any parameter is for.

use std::collections::BTreeMap;

use super::error::Error;
use super::form::{self, Node};

/// Limits of metadata, as Stripe has them.
const METADATA_KEYS_MAX: usize = 50;
const METADATA_KEY_CHARS_MAX: usize = 40;
const METADATA_VALUE_CHARS_MAX: usize = 500;

/// A group of parameters, and where in the request it stands.
#[derive(Debug)]
pub(super) struct Params {
    prefix: String,
    nodes: Vec<(String, Node)>,
}

impl Params {
    pub(super) fn parse(input: &str) -> Result<Self, Error> {
        Ok(Self { prefix: String::new(), nodes: form::parse(input)? })
    }

    /// The parameter's whole name, such as `items[0][price]`.
    pub(super) fn full(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}[{name}]", self.prefix) }
    }

    /// A text. Given but empty is as if it were not given: there is nothing to unset in
    /// something new.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text).filter(|t| !t.is_empty())),
            Some(Node::Group(_)) => Err(self.invalid(name, "Invalid string")),
        }
    }

    pub(super) fn needed(&mut self, name: &str) -> Result<String, Error> {
        let full = self.full(name);
        self.text(name)?.ok_or_else(|| Error::missing(&full))
    }

    pub(super) fn integer(&mut self, name: &str) -> Result<Option<u64>, Error> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Ok(Some(number)),
            _ => Err(self.invalid(name, "Invalid integer").code("parameter_invalid_integer")),
        }
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(self.invalid(name, "Invalid boolean")),
        }
    }

    pub(super) fn one_of(&mut self, name: &str, allowed: &[&str]) -> Result<Option<String>, Error> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        if allowed.contains(&text.as_str()) {
            return Ok(Some(text));
        }
        let message = format!("Invalid {}: must be one of {}", self.full(name), allowed.join(", "));
        Err(Error::invalid(message).param(self.full(name)))
    }

    pub(super) fn group(&mut self, name: &str) -> Result<Option<Self>, Error> {
        let prefix = self.full(name);
        match self.take(name) {
            None => Ok(None),
            Some(Node::Group(nodes)) => Ok(Some(Self { prefix, nodes })),
            Some(Node::Text(_)) => Err(self.invalid(name, "Invalid object")),
        }
    }

    /// `name[0][…]`, `name[1][…]`: the members, counted without gaps.
    pub(super) fn members(&mut self, name: &str) -> Result<Vec<Self>, Error> {
        let Some(mut list) = self.group(name)? else {
            return Ok(Vec::new());
        };
        let count = list.nodes.len();
        let mut members = Vec::with_capacity(count);
        for n in 0..count {
            let member = list.group(&n.to_string())?;
            members.push(member.ok_or_else(|| self.invalid(name, "Invalid array"))?);
        }
        Ok(members)
    }

    /// `expand[]=…`: checked for its shape; nothing here can be expanded.
    pub(super) fn ignore_expand(&mut self) -> Result<(), Error> {
        match self.take("expand") {
            None | Some(Node::Group(_)) => Ok(()),
            Some(Node::Text(_)) => Err(self.invalid("expand", "Invalid array")),
        }
    }

    pub(super) fn metadata(&mut self) -> Result<BTreeMap<String, String>, Error> {
        let Some(group) = self.group("metadata")? else {
            return Ok(BTreeMap::new());
        };
        if group.nodes.len() > METADATA_KEYS_MAX {
            return Err(Error::invalid("Metadata can have at most 50 keys.").param("metadata"));
        }
        let prefix = group.prefix;
        let pair = |(key, node): (String, Node)| {
            let param = format!("{prefix}[{key}]");
            let Node::Text(value) = node else {
                return Err(Error::invalid("Metadata values must be strings.").param(param));
            };
            if key.chars().count() > METADATA_KEY_CHARS_MAX || value.chars().count() > METADATA_VALUE_CHARS_MAX {
                let message = "Metadata keys can be up to 40 characters long, and values up to 500.";
                return Err(Error::invalid(message).param(param));
            }
            Ok((key, value))
        };
        let pairs: Result<BTreeMap<_, _>, _> = group.nodes.into_iter().map(pair).collect();
        // An empty value unsets a key: in something new there is none to unset.
        Ok(pairs?.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Whatever nobody took is unknown.
    pub(super) fn done(self) -> Result<(), Error> {
        match self.nodes.first() {
            None => Ok(()),
            Some((name, _)) => Err(Error::unknown(&self.full(name))),
        }
    }

    pub(super) fn invalid(&self, name: &str, what: &str) -> Error {
        let full = self.full(name);
        Error::invalid(format!("{what}: {full}")).param(full)
    }

    fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.nodes.iter().position(|(known, _)| known == name)?;
        Some(self.nodes.remove(at).1)
    }
}
