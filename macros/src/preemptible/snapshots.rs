//! What the macro makes of whole functions, recorded in files for people to read.
//!
//! `snapshots/NAME.rs` is expanded and compared with `snapshots/NAME.expanded.rs`. After a change of
//! what the macro writes, `PREEMPT_BLESS=1 cargo test -p preempt-macros` records it anew: read the
//! difference.

use proc_macro2::TokenStream;
use quote::ToTokens;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[test]
fn expansions_are_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/preemptible/snapshots");
    let mut names = 0;
    for entry in fs::read_dir(&folder).expect("the folder can be read") {
        let path = entry.expect("its entries too").path();
        if path.to_string_lossy().ends_with(".expanded.rs") {
            continue;
        }
        names += 1;
        check(&path);
    }
    assert!(names >= 5, "only {names} snapshots");
}

fn check(path: &Path) {
    let expanded = expand_file(&fs::read_to_string(path).expect("a snapshot can be read"));
    let recorded: PathBuf = path.with_extension("expanded.rs");
    if env::var_os("PREEMPT_BLESS").is_some() {
        fs::write(&recorded, &expanded).expect("a snapshot can be written");
        return;
    }
    let recorded = fs::read_to_string(&recorded).unwrap_or_default();
    assert!(expanded == recorded, "{}:\n{expanded}", path.display());
}

/// Expands what carries `#[preemptible(..)]`, and leaves the rest as it is.
fn expand_file(source: &str) -> String {
    let file: syn::File = syn::parse_str(source).expect("a snapshot is Rust");
    let mut output = TokenStream::new();
    for mut item in file.items {
        let attrs = match &mut item {
            syn::Item::Fn(item) => &mut item.attrs,
            syn::Item::Impl(item) => &mut item.attrs,
            _ => panic!("a snapshot has functions and `impl` blocks"),
        };
        let attribute = attrs.remove(0);
        let args = match attribute.meta {
            syn::Meta::List(list) => list.tokens,
            _ => TokenStream::new(),
        };
        output.extend(super::expand(args, item.into_token_stream()));
    }
    // Formatted by the version of syn that the formatter knows.
    let tokens = output.to_string();
    prettyplease::unparse(&syn2::parse_str(&tokens).expect("the expansion is Rust"))
}
