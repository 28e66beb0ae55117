//! From statements to loaders: what the warm file says, all or nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::args::argument;
use super::loader_options::parse_set;
use super::loaders;
use super::reply::Refusal;
use super::warmfile::{self, MOST_BYTES, Statement};
use crate::loader::definition::Definition;
use crate::loader::settings::Settings;

/// Reads and checks a warm file. The error names the file or the line, and never a value from the environment.
pub fn read(path: &Path) -> Result<Vec<Definition>, String> {
    let cannot = |error: std::io::Error| format!("the warm file {} cannot be read: {error}", path.display());
    let file = File::open(path).map_err(cannot)?;
    let mut text = Vec::new();
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut text).map_err(cannot)?;
    let environment = |name: &str| std::env::var_os(name).map(OsStringExt::into_vec);
    let statements = warmfile::parse(&text, environment).map_err(|fault| format!("warm file, {fault}"))?;
    let mut names = BTreeSet::new();
    let mut definitions = Vec::new();
    for statement in statements {
        let wrong = |why: String| format!("warm file, line {}: {why}", statement.line);
        let definition = definition(&statement).map_err(|refusal| wrong(message(&refusal)))?;
        if !names.insert(definition.name().to_owned()) {
            return Err(wrong(format!("loader '{}' is defined twice", definition.name())));
        }
        if names.len() > loaders::MOST {
            return Err(wrong(format!("more than {} loaders", loaders::MOST)));
        }
        definitions.push(definition);
    }
    Ok(definitions)
}

/// The checked form of a loader's settings.
pub fn checked(settings: Settings) -> Result<Definition, Refusal> {
    Definition::new(settings).map_err(|error| argument(error.to_string()))
}

fn definition(statement: &Statement) -> Result<Definition, Refusal> {
    let is = |place: usize, word: &[u8]| {
        statement.words.get(place).is_some_and(|given| given.used.eq_ignore_ascii_case(word))
    };
    if !is(0, b"LOADER") || !is(1, b"SET") {
        return Err(argument("unknown statement, allowed: LOADER SET name MATCH pattern URL template ...".to_owned()));
    }
    checked(parse_set(&statement.words[2..])?)
}

/// An argument's error without its code.
fn message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Argument(message) => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Definition>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("warm.conf");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn good_lines_become_loaders() {
        let text = "# origins\nLOADER SET a MATCH a:{id} URL http://127.0.0.1/a/{id}\n\nloader set b MATCH b:* URL http://h/{key}\n";
        let names: Vec<String> = read_text(text).unwrap().iter().map(|d| d.name().to_owned()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn one_bad_line_is_named() {
        let good = "LOADER SET a MATCH a:{id} URL http://127.0.0.1/a/{id}\n";
        for (bad, line) in [
            ("LOADER SET a MATCH a:{id} URL http://h/{id}", "line 2: loader 'a' is defined twice"),
            ("SCHEDULE SET x", "line 2: unknown statement"),
            ("LOADER SET b MATCH b:{id} URL http://h/{no}", "line 2: "),
            ("LOADER SET b MATCH b:{id} URL http://h/ TTL x", "line 2: TTL 'x'"),
        ] {
            let error = read_text(&format!("{good}{bad}\n")).unwrap_err();
            assert!(error.contains(line), "{error}");
        }
    }
}
