//! Components that are real, and damaged: cut off, with bits flipped, with parts of others, with other names.

use std::ops::Range;

use crate::chance::Chance;
use crate::shell::leb;

/// How a component is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The end is missing.
    Truncated,
    /// Up to 16 bits are others, anywhere.
    Flipped,
    /// The same, in what is not code.
    FlippedOutside,
    /// A run of bytes is something else.
    Overwritten,
    /// Its beginning, and another's end.
    Joined,
    /// A section is gone, there twice, elsewhere, or another's.
    Sections,
    /// One letter of a name of its outside is another.
    Renamed,
    /// It asks for another version of the contract.
    OtherContract,
}

impl Damage {
    pub const ALL: [Self; 8] = [
        Self::Truncated,
        Self::Flipped,
        Self::FlippedOutside,
        Self::Overwritten,
        Self::Joined,
        Self::Sections,
        Self::Renamed,
        Self::OtherContract,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Flipped => "bits flipped",
            Self::FlippedOutside => "bits flipped outside of code",
            Self::Overwritten => "overwritten",
            Self::Joined => "spliced",
            Self::Sections => "sections moved",
            Self::Renamed => "renamed",
            Self::OtherContract => "another contract",
        }
    }
}

/// `whole`, damaged; `other` is another component, for its parts.
pub fn damaged(damage: Damage, whole: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    match damage {
        Damage::Truncated => bytes.truncate(chance.below(whole.len())),
        Damage::Flipped => flip(&mut bytes, 0..whole.len(), chance),
        Damage::FlippedOutside => {
            let outer: Vec<_> = sections(whole).into_iter().filter(|section| !section.is_nested()).collect();
            let range = chance.pick(&outer).map_or(0..whole.len(), |section| section.range.clone());
            flip(&mut bytes, range, chance);
        }
        Damage::Overwritten => overwrite(&mut bytes, chance),
        Damage::Joined => bytes = joined(whole, other, chance),
        Damage::Sections => bytes = moved(whole, other, chance),
        Damage::Renamed => rename(&mut bytes, chance),
        Damage::OtherContract => {
            let places = places(whole, b"@0.1.0");
            // All of them, or the component is not whole; the digit is one of three.
            let digit = 1 + 2 * chance.below(3);
            let to = b'1' + u8::try_from(chance.below(9)).unwrap_or(0);
            for at in places {
                if let Some(byte) = bytes.get_mut(at + digit) {
                    *byte = to;
                }
            }
        }
    }
    bytes
}

fn flip(bytes: &mut [u8], within: Range<usize>, chance: &mut Chance) {
    for _ in 0..=chance.below(16) {
        let at = within.start + chance.below(within.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << chance.below(8);
        }
    }
}

fn overwrite(bytes: &mut [u8], chance: &mut Chance) {
    let at = chance.below(bytes.len());
    let length = 1 + chance.below(64);
    let kind = chance.below(3);
    for byte in bytes.iter_mut().skip(at).take(length) {
        *byte = match kind {
            0 => 0,
            1 => 0xff,
            _ => u8::try_from(chance.below(256)).unwrap_or(0),
        };
    }
}

fn joined(whole: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let cut = |of: &[u8], chance: &mut Chance| match chance.below(3) {
        0 => chance.below(of.len()),
        _ => chance.pick(&sections(of)).map_or(0, |section| section.range.start),
    };
    let (head, tail) = (cut(whole, chance), cut(other, chance));
    [whole.get(..head).unwrap_or_default(), other.get(tail..).unwrap_or_default()].concat()
}

fn moved(whole: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let own: Vec<_> = sections(whole).into_iter().filter_map(|section| whole.get(section.range)).collect();
    let others: Vec<_> = sections(other).into_iter().filter_map(|section| other.get(section.range)).collect();
    let mut result = own;
    for _ in 0..=chance.below(3) {
        let (at, to) = (chance.below(result.len()), chance.below(result.len()));
        let Some(section) = result.get(at).copied() else { break };
        match chance.below(4) {
            0 => drop(result.remove(at)),
            1 => result.insert(to, section),
            2 => result.swap(at, to),
            _ => {
                // Of the same kind where there is one, so that more of them hold.
                let alike: Vec<_> = others.iter().filter(|it| it.first() == section.first()).copied().collect();
                let Some(instead) = chance.pick(&alike).or_else(|| chance.pick(&others)) else { continue };
                let instead = *instead;
                if let Some(place) = result.get_mut(at) {
                    *place = instead;
                }
            }
        }
    }
    let mut bytes = whole.get(..8).unwrap_or_default().to_vec();
    bytes.extend(result.concat());
    bytes
}

/// Another letter in what is a name: it stays a name.
fn rename(bytes: &mut [u8], chance: &mut Chance) {
    let marks: [&[u8]; 6] = [b"stepwell:workflow/", b"wasi:", b"@0.2.", b"describe", b"run", b"workflow-id"];
    let Some(mark) = chance.pick(&marks) else { return };
    let within: Vec<_> = sections(bytes).into_iter().filter(|section| !section.is_nested()).collect();
    let outside = |at: &usize| within.iter().any(|section| section.range.contains(at));
    let found: Vec<_> = places(bytes, mark).into_iter().filter(outside).collect();
    let Some(at) = chance.pick(&found).copied() else { return };
    let at = at + if mark.ends_with(b"/") { mark.len() } else { chance.below(mark.len()) };
    let letter = b'a' + u8::try_from(chance.below(26)).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(at).filter(|byte| byte.is_ascii_alphanumeric()) {
        *byte = if byte.is_ascii_digit() { b'0' + letter % 10 } else { letter };
    }
}

fn places(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    bytes.windows(text.len()).enumerate().filter(|(_, window)| *window == text).map(|(at, _)| at).collect()
}

/// A section of a component.
#[derive(Clone, Debug)]
struct Section {
    id: u8,
    range: Range<usize>,
}

impl Section {
    /// A module or a component.
    const fn is_nested(&self) -> bool {
        matches!(self.id, 1 | 4)
    }
}

/// The sections of a component, as far as they are whole.
fn sections(bytes: &[u8]) -> Vec<Section> {
    let (mut found, mut at) = (Vec::new(), 8);
    while let Some(id) = bytes.get(at).copied() {
        let Some((length, read)) = number(bytes.get(at + 1..).unwrap_or_default()) else { break };
        let end = at.saturating_add(1 + read).saturating_add(length);
        if end > bytes.len() {
            break;
        }
        found.push(Section { id, range: at..end });
        at = end;
    }
    found
}

fn number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0_usize;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, at + 1));
        }
    }
    None
}

/// `bytes` with a custom section of `length` bytes of content behind it.
pub fn padded(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut content = vec![3];
    content.extend(b"pad");
    content.resize(length, 0);
    let mut whole = bytes.to_vec();
    whole.push(0);
    whole.extend(leb(content.len()));
    whole.extend(content);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_all_of_a_component() {
        let bytes = wat::parse_str("(component (core module) (component) (import \"a\" (func)))").unwrap();
        let found = sections(&bytes);
        assert_eq!(found.iter().map(|section| section.id).collect::<Vec<_>>(), [1, 4, 7, 10]);
        assert_eq!(found.last().map(|section| section.range.end), Some(bytes.len()));
    }

    #[test]
    fn padding_is_a_section_more() {
        let bytes = padded(&wat::parse_str("(component)").unwrap(), 300);
        assert_eq!(sections(&bytes).iter().map(|section| section.id).collect::<Vec<_>>(), [0]);
        assert!(wasmparser::validate(&bytes).is_ok());
    }
}
