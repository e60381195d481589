#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quorate_wal_fuzz::replay(bytes));
