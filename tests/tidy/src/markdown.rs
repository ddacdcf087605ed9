//! As much of Markdown as the rules look at: tables, code spans, links.

/// Rows of the first table after a heading that has `heading` in it, cells trimmed; without its
/// head.
pub fn table<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let mut lines = text.lines().skip_while(|line| !(line.starts_with('#') && line.contains(heading)));
    lines.next();
    let rows = lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What stands between backticks in one line or cell.
pub fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Targets of links, without code blocks.
pub fn links(text: &str) -> Vec<&str> {
    let mut in_block = false;
    let mut links = Vec::new();
    for line in text.lines() {
        in_block ^= line.trim_start().starts_with("```");
        if !in_block {
            let ends = line.split("](").skip(1);
            links.extend(ends.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target));
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tables_code_and_links() {
        let text = "# A\n| x |\n# Who\nwords [a](b.md) and [c](d#e)\n| k | v |\n|---|---|\n| `a` | `b`, `c` |\nend";
        assert_eq!(table(text, "Who"), [["`a`", "`b`, `c`"]]);
        assert_eq!(code("`b`, `c`").collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(links(text), ["b.md", "d#e"]);
        assert_eq!(links("```\n[a](b)\n```"), [""; 0]);
    }
}
