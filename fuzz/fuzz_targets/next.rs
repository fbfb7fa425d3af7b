//! `next`: a target that passes keeps a browser on this site, also when something on the way decodes it.

#![no_main]

use gatehouse::web::fuzzing::local_path;
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use url::Url;

fuzz_target!(|text: &str| {
    let Some(target) = local_path(text) else { return };
    assert_eq!(target, text);
    for base in ["https://login.example.org/sessions", "http://127.0.0.1:8000/sessions"] {
        let here = Url::parse(base).expect("an address");
        let mut target = target.to_owned();
        for _ in 0..4 {
            let there = here.join(&target).expect("an address");
            assert_eq!(there.origin(), here.origin(), "{target:?}");
            assert!(target.starts_with('/') && target.bytes().all(|b| b.is_ascii_graphic()));
            target = percent_decode_str(&target).decode_utf8_lossy().into_owned();
            if !target.is_ascii() {
                break;
            }
        }
    }
});
