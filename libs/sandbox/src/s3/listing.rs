//! Pages of keys, as ListObjects and ListObjectsV2 answer them. Pure.

/// What a caller wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) prefix: String,
    pub(crate) delimiter: String,
    /// Only what comes after this key.
    pub(crate) after: String,
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) keys: Vec<String>,
    pub(crate) common_prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<String>,
}

/// `keys` are sorted. A common prefix counts as one entry, however many keys it stands for.
pub(crate) fn page(keys: &[String], wanted: &Wanted) -> Page {
    let mut page = Page::default();
    let mut last: Option<String> = None;
    for key in keys.iter().filter(|key| key.starts_with(&wanted.prefix)) {
        let entry = common_prefix(key, wanted).unwrap_or_else(|| key.clone());
        let is_common = entry.len() < key.len();
        if page.common_prefixes.last() == Some(&entry) || *entry <= *wanted.after {
            continue;
        }
        // The page before may have ended within a common prefix.
        if is_common && wanted.after.starts_with(&entry) {
            continue;
        }
        if page.keys.len() + page.common_prefixes.len() >= wanted.limit {
            page.next = last;
            return page;
        }
        last = Some(entry.clone());
        if is_common { page.common_prefixes.push(entry) } else { page.keys.push(entry) }
    }
    page
}

fn common_prefix(key: &str, wanted: &Wanted) -> Option<String> {
    if wanted.delimiter.is_empty() {
        return None;
    }
    let rest = key.get(wanted.prefix.len()..)?;
    let end = rest.find(&wanted.delimiter)? + wanted.delimiter.len();
    let common = key.get(..wanted.prefix.len() + end)?;
    Some(common.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<String> {
        ["a/1", "a/2", "b", "c/1", "d"].map(str::to_owned).to_vec()
    }

    fn wanted(prefix: &str, delimiter: &str, after: &str, limit: usize) -> Wanted {
        Wanted { prefix: prefix.to_owned(), delimiter: delimiter.to_owned(), after: after.to_owned(), limit }
    }

    #[test]
    fn pages_together_hold_every_key_once() {
        for limit in 1..=6 {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let page = page(&keys(), &wanted("", "", &after, limit));
                seen.extend(page.keys);
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
            assert_eq!(seen, keys(), "{limit}");
        }
    }

    #[test]
    fn a_delimiter_folds_directories_over_pages_too() {
        let first = page(&keys(), &wanted("", "/", "", 2));
        assert_eq!((first.common_prefixes, first.keys), (vec!["a/".to_owned()], vec!["b".to_owned()]));
        let second = page(&keys(), &wanted("", "/", &first.next.unwrap(), 2));
        assert_eq!(
            (second.common_prefixes, second.keys, second.next),
            (vec!["c/".to_owned()], vec!["d".to_owned()], None)
        );
        let inside = page(&keys(), &wanted("a/", "/", "", 10));
        assert_eq!(inside.keys, ["a/1", "a/2"]);
    }
}
