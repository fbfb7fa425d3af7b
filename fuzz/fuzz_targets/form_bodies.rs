//! Urlencoded bodies: read or refused, and what is read means the same as JSON and multipart.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| gatehouse_fuzz::check(gatehouse::web::fuzzing::form(body)));
