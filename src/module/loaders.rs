//! The loaders that are defined, on the main thread: names, definitions, and the way from a key to its loader.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::args::argument;
use super::reply::Refusal;
use crate::engine::pace::Rate;
use crate::engine::request::{Activity, LoaderId, LoaderRules};
use crate::engine::routes::Routes;
use crate::loader::definition::Definition;
use crate::loader::settings::Compression;

/// The most loaders that may be defined.
pub const MOST: usize = 1000;

/// Who defined a loader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The warm file: read-only to commands.
    File,
    /// `WARM.LOADER SET`.
    Command,
}

/// One loader.
#[derive(Clone, Debug)]
pub struct Loader {
    /// Its number; a name keeps its number.
    pub id: LoaderId,
    /// What it does.
    pub definition: Arc<Definition>,
    /// Who defined it.
    pub source: Source,
    /// Whether it is paused.
    pub paused: bool,
}

impl Loader {
    /// What the engine is told of it.
    pub fn rules(&self) -> LoaderRules {
        LoaderRules {
            id: self.id,
            concurrency: self.definition.concurrency(),
            rate: self.definition.rate().and_then(Rate::per_second),
            batch: self.definition.batch(),
            activity: if self.paused { Activity::Paused } else { Activity::Working },
        }
    }
}

/// All loaders.
#[derive(Debug)]
pub struct Loaders {
    named: BTreeMap<String, Loader>,
    routes: Routes<String>,
    any_compressed: bool,
    next_id: u32,
}

impl Default for Loaders {
    fn default() -> Self {
        Loaders { named: BTreeMap::new(), routes: Routes::new(Vec::new()), any_compressed: false, next_id: 0 }
    }
}

impl Loaders {
    /// The loader for a key: of those whose pattern matches, the one with the longest literal prefix.
    pub fn route(&self, name: &[u8]) -> Option<&Loader> {
        self.named.get(self.routes.find(name)?)
    }

    /// Whether [`route`](Loaders::route) could find one: a test of literal prefixes alone.
    pub fn may_match(&self, name: &[u8]) -> bool {
        self.routes.may_match(name)
    }

    /// The loader of that name.
    pub fn named(&self, name: &str) -> Option<&Loader> {
        self.named.get(name)
    }

    /// The loader of that number.
    pub fn numbered(&self, id: LoaderId) -> Option<&Loader> {
        self.named.values().find(|loader| loader.id == id)
    }

    /// All loaders, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Loader> {
        self.named.values()
    }

    /// Whether any loader stores its values compressed.
    pub fn any_compressed(&self) -> bool {
        self.any_compressed
    }

    /// Defines or redefines a loader by command.
    pub fn set(&mut self, definition: Definition) -> Result<(), Refusal> {
        let name = definition.name().to_owned();
        match self.named.get(&name) {
            Some(loader) if loader.source == Source::File => return Err(from_file(&name)),
            None if self.named.len() >= MOST => {
                return Err(argument(format!("there are {MOST} loaders already, the most that may be defined")));
            }
            _ => {}
        }
        self.put(definition, Source::Command);
        self.reroute();
        Ok(())
    }

    /// Removes a loader by command; whether there was one.
    pub fn delete(&mut self, name: &str) -> Result<bool, Refusal> {
        if self.named.get(name).is_some_and(|loader| loader.source == Source::File) {
            return Err(from_file(name));
        }
        let removed = self.named.remove(name).is_some();
        self.reroute();
        Ok(removed)
    }

    /// Replaces everything that came from the warm file. A name that a command had defined becomes the file's.
    pub fn replace_file(&mut self, definitions: Vec<Definition>) {
        let keep: Vec<&str> = definitions.iter().map(Definition::name).collect();
        self.named.retain(|name, loader| loader.source == Source::Command || keep.contains(&name.as_str()));
        for definition in definitions {
            self.put(definition, Source::File);
        }
        self.reroute();
    }

    /// Pauses or resumes a loader; whether there is one.
    pub fn pause(&mut self, name: &str, paused: bool) -> bool {
        self.named.get_mut(name).map(|loader| loader.paused = paused).is_some()
    }

    fn put(&mut self, definition: Definition, source: Source) {
        let name = definition.name().to_owned();
        let (id, paused) = match self.named.get(&name) {
            Some(loader) => (loader.id, loader.paused),
            None => {
                self.next_id += 1;
                (LoaderId(self.next_id), false)
            }
        };
        self.named.insert(name, Loader { id, definition: Arc::new(definition), source, paused });
    }

    fn reroute(&mut self) {
        let patterns = self.named.values().map(|l| (l.definition.pattern().clone(), l.definition.name().to_owned()));
        self.routes = Routes::new(patterns.collect());
        self.any_compressed =
            self.named.values().any(|loader| loader.definition.settings().compress != Compression::None);
    }
}

fn from_file(name: &str) -> Refusal {
    argument(format!("loader '{name}' is defined in the warm file; change it there and call WARM.CONFIG RELOAD"))
}
