//! `application/x-www-form-urlencoded` with brackets, as a tree. Must not forgive: broken
//! escapes, broken brackets and a name given twice are errors.

use super::error::Error;

/// Levels of brackets: `trial_settings[end_behavior][missing_payment_method]` has three.
const DEPTH_MAX: usize = 5;
/// Pairs in one body: 50 of metadata, and some.
const PAIRS_MAX: usize = 500;

/// A value, or named values in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Group(Vec<(String, Node)>),
}

/// Parses a body or a query.
pub(super) fn parse(input: &str) -> Result<Vec<(String, Node)>, Error> {
    let mut root = Vec::new();
    for (n, pair) in input.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if n >= PAIRS_MAX {
            return Err(Error::invalid(format!("At most {PAIRS_MAX} parameters.")));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        insert(&mut root, &segments(&name)?, (&name, value))?;
    }
    Ok(root)
}

/// `a[b][]` is `a`, `b` and an empty segment.
fn segments(name: &str) -> Result<Vec<&str>, Error> {
    let broken = || Error::invalid(format!("Invalid parameter name: {name}")).param(name);
    let (first, rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let mut segments = vec![first];
    let mut rest = rest;
    while !rest.is_empty() {
        let (inner, after) = rest.strip_prefix('[').and_then(|r| r.split_once(']')).ok_or_else(broken)?;
        segments.push(inner);
        rest = after;
    }
    let sound = |s: &&str| !s.contains(['[', ']']);
    if first.is_empty() || segments.len() > DEPTH_MAX || !segments.iter().all(sound) {
        return Err(broken());
    }
    Ok(segments)
}

fn insert(group: &mut Vec<(String, Node)>, path: &[&str], (whole, value): (&str, String)) -> Result<(), Error> {
    let twice = || Error::invalid(format!("Parameter given twice: {whole}")).param(whole);
    let Some((segment, rest)) = path.split_first() else {
        return Ok(());
    };
    // `a[]=1&a[]=2`: each counts up.
    let name = if segment.is_empty() { group.len().to_string() } else { (*segment).to_owned() };
    let at = group.iter().position(|(known, _)| *known == name);
    match (at.and_then(|at| group.get_mut(at)), rest) {
        (None, []) => group.push((name, Node::Text(value))),
        (None, rest) => {
            let mut inner = Vec::new();
            insert(&mut inner, rest, (whole, value))?;
            group.push((name, Node::Group(inner)));
        }
        (Some((_, Node::Group(inner))), [_, ..]) => insert(inner, rest, (whole, value))?,
        (Some(_), _) => return Err(twice()),
    }
    Ok(())
}

/// `+` is a space, `%41` is `A`; what is no escape or no UTF-8 is an error.
fn decode(text: &str) -> Result<String, Error> {
    let broken = || Error::invalid("Invalid URL encoding in the parameters.");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(broken());
                };
                u8::try_from(high * 16 + low).map_err(|_| broken())?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        let shown = match parse(input) {
            Ok(nodes) => show(&nodes),
            Err(_) => "error".into(),
        };
        assert_eq!(shown, expected, "{input}");
    }

    fn show(nodes: &[(String, Node)]) -> String {
        let one = |(name, node): &(String, Node)| match node {
            Node::Text(text) => format!("{name}={text}"),
            Node::Group(inner) => format!("{name}({})", show(inner)),
        };
        nodes.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn brackets_make_a_tree() {
        check("customer=cus_1&items[0][price]=p&items[0][quantity]=2", "customer=cus_1 items(0(price=p quantity=2))");
        check("expand[]=a&expand[]=b", "expand(0=a 1=b)");
        check("a%5Bb%5D=c+d%2B", "a(b=c d+)");
        check("metadata[user_id]=", "metadata(user_id=)");
        check("", "");
    }

    #[test]
    fn what_is_broken_is_refused() {
        for broken in [
            "a=1&a=2",
            "a=1&a[b]=2",
            "a[b]=1&a=2",
            "a[b=1",
            "a]b=1",
            "a[b]c=1",
            "[a]=1",
            "=1",
            "a=%4",
            "a=%zz",
            "a=%ff",
            "a[[b]]=1",
            "a[b][c][d][e][f]=1",
        ] {
            check(broken, "error");
        }
    }
}
