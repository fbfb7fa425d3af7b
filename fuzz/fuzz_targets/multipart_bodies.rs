//! Multipart bodies: read or refused, and what is read means the same urlencoded and as JSON.

#![no_main]

use gatehouse_fuzz::BOUNDARY;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    gatehouse_fuzz::check(gatehouse::web::fuzzing::multipart(body, BOUNDARY));
});
