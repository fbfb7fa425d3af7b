//! JSON bodies: read or refused, and what is read means the same urlencoded and in multipart.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| gatehouse_fuzz::check(gatehouse::web::fuzzing::json(body)));
