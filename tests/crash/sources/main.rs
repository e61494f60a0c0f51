//! What the compiler does not check about points, read from the sources; and that nothing of it ships.

#![allow(clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mint_types::ServiceName;
use quote::ToTokens as _;
use syn::visit::{self, Visit};

/// Traits of services that are no ports: nothing outside is called and nothing is written through them.
const NO_PORTS: &[&str] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_file_of_tests(&name) {
            found.push(path);
        }
    }
}

/// A test module in a file of its own: `cfg(test)` stands where it is declared.
fn is_file_of_tests(name: &str) -> bool {
    name == "tests.rs" || name.ends_with("_tests.rs") || name.ends_with("_contract.rs")
}

/// Each source file of the services that have a life of their own, without test modules.
fn files() -> Vec<(PathBuf, syn::File)> {
    let mut paths = Vec::new();
    for service in ServiceName::ALL {
        sources(&root().join("services").join(service.as_str()).join("src"), &mut paths);
    }
    let parsed = paths.into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).expect("readable");
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, file)
    });
    parsed.collect()
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.to_token_stream().to_string().contains("test")
    })
}

fn has(attributes: &[syn::Attribute], name: &str) -> bool {
    let named = |attribute: &syn::Attribute| {
        attribute.path().segments.last().is_some_and(|segment| segment.ident == name)
    };
    attributes.iter().any(named)
}

/// Walks a file and collects what breaks a rule.
#[derive(Debug, Default)]
struct Reader {
    ports: BTreeSet<String>,
    unmarked: Vec<String>,
    bare: Vec<String>,
    inside_port: bool,
    writes: Vec<String>,
    inside_points: bool,
    unpointed: Vec<String>,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let is_async = has(&item.attrs, "async_trait");
        let name = item.ident.to_string();
        if is_async && has(&item.attrs, "port") {
            self.ports.insert(name);
        } else if is_async && !NO_PORTS.contains(&name.as_str()) {
            self.unmarked.push(name);
        }
        visit::visit_item_trait(self, item);
    }

    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        let before = self.inside_port;
        self.inside_port |= segment.ident == "Port";
        visit::visit_path_segment(self, segment);
        self.inside_port = before;
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        // `<dyn Source>::POINTS` names a port and holds none
        let before = self.inside_port;
        self.inside_port |= path.path.segments.last().is_some_and(|last| last.ident == "POINTS");
        visit::visit_expr_path(self, path);
        self.inside_port = before;
    }

    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        // whoever borrows a port borrows it from who holds it
        let before = self.inside_port;
        self.inside_port = true;
        visit::visit_type_reference(self, reference);
        self.inside_port = before;
    }

    fn visit_type_trait_object(&mut self, object: &'ast syn::TypeTraitObject) {
        if !self.inside_port {
            self.bare.push(object.to_token_stream().to_string());
        }
        visit::visit_type_trait_object(self, object);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let before = self.inside_points;
        self.inside_points |= has(&item.attrs, "points") || item.trait_.is_some();
        visit::visit_item_impl(self, item);
        self.inside_points = before;
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let receiver = call.receiver.to_token_stream().to_string();
        let writes = ["write", "execute"].iter().any(|method| call.method == method);
        if writes && receiver.ends_with("database") {
            self.writes.push(receiver.clone());
            if !self.inside_points {
                self.unpointed.push(format!("{receiver}.{}", call.method));
            }
        }
        visit::visit_expr_method_call(self, call);
    }
}

fn read() -> Vec<(PathBuf, Reader)> {
    let read = |(path, file): (PathBuf, syn::File)| {
        let mut reader = Reader::default();
        reader.visit_file(&file);
        (path, reader)
    };
    files().into_iter().map(read).collect()
}

#[test]
fn every_service_lists_all_its_points() {
    let names: Vec<String> = mint_crash::all_points().into_iter().map(|(_, name)| name).collect();
    let unique: BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "a point has one name");
    // each attribute in the sources names a port; a port that its service does not list has no point there
    for (path, _) in files() {
        let text = std::fs::read_to_string(&path).expect("readable");
        let service = path.components().rev().find_map(|component| {
            ServiceName::ALL.into_iter().find(|service| component.as_os_str() == service.as_str())
        });
        let service = service.expect("a service's source");
        for attribute in text.match_indices("#[mint_port::po").map(|(at, _)| &text[at..]) {
            let name = attribute.split("name = \"").nth(1).and_then(|rest| rest.split('"').next());
            let prefix = format!("{service}.{}.", name.expect("a point's attribute has a name"));
            let listed = names.iter().any(|point| point.starts_with(&prefix));
            assert!(listed, "{}: FAULT_POINTS of {service} lacks {prefix}", path.display());
        }
    }
    for service in ServiceName::ALL {
        let prefix = format!("{service}.");
        assert!(names.iter().any(|name| name.starts_with(&prefix)), "{service} has no point");
    }
}

#[test]
fn a_port_is_held_behind_its_points() {
    let read = read();
    let ports: BTreeSet<&String> = read.iter().flat_map(|(_, reader)| &reader.ports).collect();
    assert!(ports.len() >= 15, "the ports are found: {ports:?}");
    for (path, reader) in &read {
        assert!(
            reader.unmarked.is_empty(),
            "{}: async traits without points: {:?}",
            path.display(),
            reader.unmarked
        );
        for bare in &reader.bare {
            let name = bare.trim_start_matches("dyn ").split(" +").next().unwrap_or_default();
            let name = name.rsplit(" :: ").next().unwrap_or_default().trim().to_owned();
            // adapters are made there, and may stand around one another
            let may_make_it = path.components().any(|part| part.as_os_str() == "adapters");
            let is_port = ports.contains(&name) || name == "AuditLog";
            assert!(!is_port || may_make_it, "{}: `{bare}` is held outside a Port", path.display());
        }
    }
}

#[test]
fn a_durable_write_stands_between_its_points() {
    let read = read();
    let writes: usize = read.iter().map(|(_, reader)| reader.writes.len()).sum();
    assert!(writes >= 15, "the writes are found: {writes}");
    for (path, reader) in &read {
        assert!(
            reader.unpointed.is_empty(),
            "{}: writes without points: {:?}",
            path.display(),
            reader.unpointed
        );
    }
}

#[test]
fn no_shipped_binary_has_fault_points() {
    let output = std::process::Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = text(&package["name"]);
        let defaults = package["features"]["default"].as_array().cloned().unwrap_or_default();
        let default = defaults.iter().any(|feature| text(feature).contains("fault-points"));
        assert!(!default, "{name} has fault points by default");
        let asked = package["dependencies"].as_array().expect("dependencies").iter().any(|dependency| {
            let features = dependency["features"].as_array().cloned().unwrap_or_default();
            features.iter().any(|feature| text(feature).contains("fault-points"))
        });
        assert!(!asked, "{name} asks a dependency for fault points, whoever builds it");
    }
    let here = std::env::current_exe().expect("this test");
    let built = here.parent().and_then(Path::parent).expect("target directory");
    let mark = b"this binary has fault points";
    for service in ServiceName::ALL {
        // built by `cargo build`; a tree in which nothing was built yet ships nothing
        let Ok(bytes) = std::fs::read(built.join(format!("mint-{service}"))) else { continue };
        let marked = bytes.windows(mark.len()).any(|window| window == mark);
        assert!(!marked, "mint-{service} has fault points");
    }
}
