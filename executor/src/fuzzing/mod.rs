//! What must hold for every text that comes from outside. Each takes any text and panics if something
//! does not hold: for the fuzz targets in `fuzz/`, whose seeds are also run as ordinary tests.

pub use targets::*;

mod targets {
    /// The files of control groups.
    pub fn cgroup(text: &str) {
        crate::cpus::fuzz::check(text);
    }

    /// `PREEMPT_DEBUG`.
    pub fn debug(text: &str) {
        crate::debug::fuzz::check(text);
    }

    /// The head of a request to the debug endpoint.
    pub fn request(text: &str) {
        crate::endpoint::fuzz::check(text);
    }

    /// `PREEMPT_WORKERS`.
    pub fn workers(text: &str) {
        crate::runtime::fuzz::check(text);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_seeds_of_the_fuzz_targets_hold() {
        each_seed("cgroup", super::cgroup);
        each_seed("debug", super::debug);
        each_seed("request", super::request);
        each_seed("workers", super::workers);
    }

    fn each_seed(target: &str, check: fn(&str)) {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
        let files: Vec<_> = fs::read_dir(seeds).unwrap().flatten().collect();
        assert!(files.len() > 2, "{target}");
        for file in files {
            check(&fs::read_to_string(file.path()).unwrap());
        }
    }
}
