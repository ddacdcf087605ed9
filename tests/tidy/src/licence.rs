//! Licence expressions (SPDX), as far as packages use them: names, `WITH`, `AND`, `OR`,
//! parentheses, and the old `/` for `OR`.

/// Whether an expression can be met with the licences that `allowed` takes.
///
/// An expression that cannot be read is not met.
pub fn is_met(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = Words { words: spaced.split_whitespace().collect(), at: 0 };
    let met = words.either(allowed);
    met == Some(true) && words.at == words.words.len()
}

struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn either(&mut self, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
        let mut met = self.both(allowed)?;
        while self.take("OR") {
            met |= self.both(allowed)?;
        }
        Some(met)
    }

    fn both(&mut self, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
        let mut met = self.one(allowed)?;
        while self.take("AND") {
            met &= self.one(allowed)?;
        }
        Some(met)
    }

    fn one(&mut self, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
        if self.take("(") {
            let met = self.either(allowed)?;
            return self.take(")").then_some(met);
        }
        let mut name = self.peek().filter(|word| !["AND", "OR", "WITH", ")"].contains(word))?.to_owned();
        self.at += 1;
        if self.take("WITH") {
            name = format!("{name} WITH {}", self.peek()?);
            self.at += 1;
        }
        Some(allowed(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::is_met;

    #[test]
    fn reads_what_packages_write() {
        let allowed = |name: &str| ["MIT", "Apache-2.0 WITH LLVM-exception", "ISC"].contains(&name);
        let cases = [
            ("MIT", true),
            ("Apache-2.0", false),
            ("Apache-2.0/MIT", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT AND Apache-2.0", false),
            ("ISC AND (Apache-2.0 OR MIT)", true),
            ("Apache-2.0 OR MIT AND GPL-3.0", false),
            ("(MIT", false),
            ("MIT MIT", false),
            ("", false),
        ];
        for (expression, expected) in cases {
            assert_eq!(is_met(expression, &allowed), expected, "{expression}");
        }
    }
}
