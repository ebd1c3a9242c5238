//! What holds for `PREEMPT_DEBUG`.

use super::*;

pub(crate) fn check(text: &str) {
    let (debug, wrong) = parse(text);
    assert!(wrong.len() <= text.split(',').count(), "each setting is wrong once");
    assert_ne!(debug.schedtrace, Some(Duration::ZERO));
    // What is set can be set so.
    let mut again = Vec::new();
    if let Some(period) = debug.schedtrace {
        again.push(format!("schedtrace={}", period.as_millis()));
    }
    if let Some(addr) = debug.http {
        again.push(format!("http={addr}"));
    }
    assert_eq!(parse(&again.join(",")), (debug, Vec::new()));
    // What is wrong comes to nothing, wherever it stands.
    let (beside, complaints) = parse(&format!("{text},no such setting,{}", again.join(",")));
    assert_eq!((beside, complaints.len()), (debug, wrong.len() + 1));
}
