//! What holds for `PREEMPT_WORKERS`.

use super::*;

pub(crate) fn check(text: &str) {
    let workers = Workers::from_text(text);
    match workers {
        Some(Workers::Count(count)) => {
            assert!((1..=MOST_PROCESSORS).contains(&count));
            assert_eq!(Workers::from_text(&count.to_string()), workers);
            assert!(text.contains(|c: char| c.is_ascii_digit()));
        }
        Some(Workers::Auto) => assert_eq!(text.trim(), "auto"),
        None => {}
    }
    assert_eq!(Workers::from_text(&format!(" \t{text}\n")), workers, "space around it is nothing");
}
