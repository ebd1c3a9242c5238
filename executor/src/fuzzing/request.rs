//! What holds for the head of a request.

use super::*;

const MOST: Duration = Duration::from_secs(60);

pub(crate) fn check(head: &str) {
    let anywhere = Request::parse(head, false);
    let here = Request::parse(head, true);
    let Ok(request) = anywhere else {
        assert!(here.is_err(), "a local endpoint refuses more");
        return;
    };
    let target = head.strip_prefix("GET ").expect("nothing else is taken");
    let (target, _) = target.split_once(" HTTP/1.").expect("there is a version");
    assert!(!request.path.contains(['?', ' ', '\n']) && target.starts_with(&request.path));
    let hosts = || {
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.filter(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, host)| host.trim())
    };
    match here {
        Ok(here) => {
            assert_eq!(here, request);
            assert!(hosts().all(is_loopback), "what the client takes it for is a loopback address");
            assert!(hosts().count() <= 1);
        }
        Err(refusal) => {
            assert_eq!(refusal.status(), Status::Forbidden);
            assert!(hosts().next().is_some());
        }
    }
    check_query(&request.query, target);
}

fn check_query(query: &Query, target: &str) {
    let Query(pairs) = query;
    assert!(pairs.iter().all(|(key, value)| target.contains(key) && target.contains(value)));
    assert!(pairs.iter().all(|(key, value)| !key.contains(['=', '&']) && !value.contains('&')));
    if let Ok(Some(time)) = query.seconds(MOST) {
        assert!(!time.is_zero() && time <= MOST);
    }
    let values = ["text", "json"];
    if let Ok(value) = query.one_of("format", &values) {
        assert!(values.contains(&value));
    }
    let keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    assert!(query.only(&keys).is_ok());
    assert_eq!(query.only(&[]).is_ok(), pairs.is_empty());
}
