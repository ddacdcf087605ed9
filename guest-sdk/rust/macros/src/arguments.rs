//! What stands in the attribute's brackets, read by the table of [`crate::keys`].

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, Lit, Token, bracketed, parenthesized, token};

use crate::duration::is_duration;
use crate::json::Json;
use crate::keys::{KEYS, Key, Kind, Shape};

type Fields = &'static [(&'static str, Kind)];

/// The longest id.
const ID_CHARS_MAX: usize = 64;

/// The declaration as far as it was read.
#[derive(Debug)]
pub(crate) struct Arguments {
    fields: Vec<(String, Json)>,
    end: Span,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self { fields: Vec::new(), end: input.span() };
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            let Some(key) = KEYS.iter().find(|key| name == key.name) else {
                return Err(unknown(&name, KEYS.iter().map(|key| key.name)));
            };
            arguments.read(&name, key, input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

impl Arguments {
    /// The workflow's id, checked.
    pub(crate) fn id(&self) -> syn::Result<String> {
        match self.get("id") {
            Some(Json::Text(id)) => Ok(id.clone()),
            _ => Err(syn::Error::new(self.end, "a workflow needs an id: id = \"welcome-email\"")),
        }
    }

    /// Takes the description from elsewhere if there is none.
    pub(crate) fn describe_by(&mut self, text: Option<String>) {
        if let (None, Some(text)) = (self.get("description"), text) {
            self.fields.push(("description".to_owned(), Json::Text(text)));
        }
    }

    /// The entry of `describe`.
    pub(crate) fn declaration(mut self) -> syn::Result<String> {
        if self.get("triggers").is_none() {
            let message = "a workflow needs a trigger: on = \"clerk/user.created\" or cron = \"0 9 * * *\"";
            return Err(syn::Error::new(self.end, message));
        }
        self.fields.sort_by_key(|(name, _)| KEYS.iter().position(|key| list_of(key) == name));
        Ok(Json::Object(self.fields).to_string())
    }

    fn get(&self, name: &str) -> Option<&Json> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    fn read(&mut self, name: &Ident, key: &Key, input: ParseStream<'_>) -> syn::Result<()> {
        let value = match key.shape {
            Shape::Value(kind) => {
                input.parse::<Token![=]>()?;
                let value = literal(kind, input)?;
                if key.name == "id" { check_id(name, value)? } else { value }
            }
            Shape::Fields { short, fields } => one(short, fields, input)?,
            Shape::Listed { list, short, fields } => return self.extend(list, many(short, fields, input)?),
        };
        if self.get(key.name).is_some() {
            return Err(syn::Error::new(name.span(), format!("{name} is given twice")));
        }
        self.fields.push((key.name.to_owned(), value));
        Ok(())
    }

    fn extend(&mut self, list: &str, more: Vec<Json>) -> syn::Result<()> {
        let old = self.fields.iter_mut().find(|(name, _)| name == list);
        match old {
            Some((_, Json::List(items))) => items.extend(more),
            _ => self.fields.push((list.to_owned(), Json::List(more))),
        }
        Ok(())
    }
}

/// Under which key of the declaration a key is written.
fn list_of(key: &Key) -> &'static str {
    match key.shape {
        Shape::Listed { list, .. } => list,
        Shape::Value(_) | Shape::Fields { .. } => key.name,
    }
}

/// `= value`, `= [value, …]` or `(…)`.
fn many(short: &'static str, fields: Fields, input: ParseStream<'_>) -> syn::Result<Vec<Json>> {
    let list = input.peek(Token![=]) && input.peek2(token::Bracket);
    if !list {
        return Ok(vec![one(Some(short), fields, input)?]);
    }
    input.parse::<Token![=]>()?;
    let inner;
    bracketed!(inner in input);
    let kind = kind_of(short, fields);
    let literals = inner.parse_terminated(Lit::parse, Token![,])?;
    literals.iter().map(|value| Ok(Json::Object(vec![(short.to_owned(), json(kind, value)?)]))).collect()
}

/// `= value`, or `(field = value, …)` of which the first may be the short field's value alone.
fn one(short: Option<&'static str>, fields: Fields, input: ParseStream<'_>) -> syn::Result<Json> {
    if let (Some(short), true) = (short, input.peek(Token![=])) {
        input.parse::<Token![=]>()?;
        return Ok(Json::Object(vec![(short.to_owned(), literal(kind_of(short, fields), input)?)]));
    }
    let inner;
    parenthesized!(inner in input);
    let mut read = Vec::new();
    while !inner.is_empty() {
        read.push(field(short.filter(|_| read.is_empty()), fields, &inner)?);
        if !inner.is_empty() {
            inner.parse::<Token![,]>()?;
        }
    }
    Ok(Json::Object(read))
}

fn field(short: Option<&'static str>, fields: Fields, input: ParseStream<'_>) -> syn::Result<(String, Json)> {
    if let (Some(short), true) = (short, input.peek(Lit)) {
        return Ok((short.to_owned(), literal(kind_of(short, fields), input)?));
    }
    let name = input.call(Ident::parse_any)?;
    let Some((_, kind)) = fields.iter().find(|(other, _)| name == other) else {
        return Err(unknown(&name, fields.iter().map(|(name, _)| *name)));
    };
    input.parse::<Token![=]>()?;
    Ok((name.to_string(), literal(*kind, input)?))
}

fn kind_of(name: &str, fields: Fields) -> Kind {
    fields.iter().find(|(other, _)| *other == name).map_or(Kind::Text, |(_, kind)| *kind)
}

/// A literal of this kind.
fn literal(kind: Kind, input: ParseStream<'_>) -> syn::Result<Json> {
    json(kind, &input.parse()?)
}

fn json(kind: Kind, value: &Lit) -> syn::Result<Json> {
    let json = match (kind, value) {
        (Kind::Text, Lit::Str(text)) => Some(Json::text(text.value())),
        (Kind::Duration, Lit::Str(text)) if is_duration(&text.value()) => Some(Json::text(text.value())),
        (Kind::OneOf(texts), Lit::Str(text)) if texts.contains(&text.value().as_str()) => {
            Some(Json::text(text.value()))
        }
        (Kind::Whole, Lit::Int(number)) => number.base10_parse::<u32>().ok().map(|n| Json::Number(n.to_string())),
        (Kind::Number, Lit::Int(number)) => Some(Json::Number(number.base10_digits().to_owned())),
        (Kind::Number, Lit::Float(number)) => Some(Json::Number(number.base10_parse::<f64>()?.to_string())),
        _ => None,
    };
    json.ok_or_else(|| syn::Error::new(value.span(), format!("here stands {}", expected(kind))))
}

fn expected(kind: Kind) -> String {
    match kind {
        Kind::Text => "a text in quotes".to_owned(),
        Kind::Duration => "a duration as text, such as \"30s\", \"1h30m\" or \"7d\"".to_owned(),
        Kind::Whole => "a whole number".to_owned(),
        Kind::Number => "a number".to_owned(),
        Kind::OneOf(texts) => format!("one of {texts:?}"),
    }
}

fn check_id(name: &Ident, value: Json) -> syn::Result<Json> {
    let Json::Text(id) = &value else {
        return Ok(value);
    };
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if !id.is_empty() && id.len() <= ID_CHARS_MAX && id.chars().all(fits) {
        return Ok(value);
    }
    Err(syn::Error::new(name.span(), format!("id {id:?} must be 1 to {ID_CHARS_MAX} characters of a-z, 0-9 and -")))
}

fn unknown(name: &Ident, known: impl Iterator<Item = &'static str>) -> syn::Error {
    let known = known.collect::<Vec<_>>().join(", ");
    syn::Error::new(name.span(), format!("{name} is not known here; known are: {known}"))
}

/// Reads a whole attribute, for tests.
#[cfg(test)]
pub(crate) fn read(text: &str) -> Result<String, String> {
    let arguments = syn::parse_str::<Arguments>(text).map_err(|error| error.to_string())?;
    arguments.id().and_then(|_| arguments.declaration()).map_err(|error| error.to_string())
}
