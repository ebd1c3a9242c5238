//! The general set: programs of the usual collections, and what servers spend their time with.

mod base64;
mod binary_trees;
mod crc32;
mod fannkuch;
mod fft;
mod fib;
mod hash_table;
mod histogram;
mod json;
mod kmeans;
mod levenshtein;
mod linear_regression;
mod lu;
mod mandelbrot;
mod matmul;
mod nbody;
mod queens;
mod quicksort;
mod radix_sort;
mod sha256;
mod sieve;
mod spectral_norm;
mod string_match;
mod word_count;

use crate::kernel::Kernel;

pub(super) fn kernels() -> Vec<Kernel> {
    vec![
        base64::kernel("base64"),
        binary_trees::kernel("binary_trees"),
        crc32::kernel("crc32"),
        fannkuch::kernel("fannkuch"),
        fft::kernel("fft"),
        fib::kernel("fib"),
        hash_table::kernel("hash_table"),
        histogram::kernel("histogram"),
        json::kernel("json"),
        kmeans::kernel("kmeans"),
        levenshtein::kernel("levenshtein"),
        linear_regression::kernel("linear_regression"),
        lu::kernel("lu"),
        mandelbrot::kernel("mandelbrot"),
        matmul::kernel("matmul"),
        nbody::kernel("nbody"),
        queens::kernel("queens"),
        quicksort::kernel("quicksort"),
        radix_sort::kernel("radix_sort"),
        sha256::kernel("sha256"),
        sieve::kernel("sieve"),
        spectral_norm::kernel("spectral_norm"),
        string_match::kernel("string_match"),
        word_count::kernel("word_count"),
    ]
}
