#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| preempt_executor::fuzzing::workers(text));
