//! A run asks the world for nothing: calls to clock, chance, files and sockets are counted while one is on.
//!
//! The functions of the C library below take the place of the real ones in this binary alone, count the calls of
//! threads that have a run on, and pass them on. That catches what lints miss: dependencies, and what they call.

use std::cell::Cell;

use libc::{c_char, c_int, c_long, c_uint, c_void, clockid_t, mode_t, size_t, ssize_t, timespec};
use quorate_sim::plan::{Plan, Shape};
use quorate_sim::run::run;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static CALLS: Cell<[u64; 4]> = const { Cell::new([0; 4]) };
}

/// Kinds of call, in the order of the counters.
#[derive(Clone, Copy)]
enum Call {
    Clock,
    Chance,
    Open,
    Socket,
}

fn count(call: Call) {
    if ON.get() {
        let mut calls = CALLS.get();
        calls[call as usize] += 1;
        CALLS.set(calls);
    }
}

/// Calls while `what` runs.
fn calls_of(what: impl FnOnce()) -> [u64; 4] {
    CALLS.set([0; 4]);
    ON.set(true);
    what();
    ON.set(false);
    CALLS.get()
}

/// # Safety
/// As of the function of this name in the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    count(Call::Clock);
    // SAFETY: the caller's arguments, passed on.
    unsafe { libc::syscall(libc::SYS_clock_gettime, c_long::from(clock), time) as c_int }
}

/// # Safety
/// As of the function of this name in the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(to: *mut c_void, bytes: size_t, flags: c_uint) -> ssize_t {
    count(Call::Chance);
    // SAFETY: the caller's arguments, passed on.
    unsafe { libc::syscall(libc::SYS_getrandom, to, bytes, c_long::from(flags)) as ssize_t }
}

/// # Safety
/// As of the function of this name in the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    count(Call::Open);
    // SAFETY: the caller's arguments, passed on.
    unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, c_long::from(mode)) as c_int }
}

/// # Safety
/// As of the function of this name in the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    count(Call::Socket);
    // SAFETY: the caller's arguments, passed on.
    unsafe { libc::syscall(libc::SYS_socket, domain, kind, protocol) as c_int }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what must be found out is done here"
)]
fn the_wire_trips_when_the_world_is_asked() {
    let clock = calls_of(|| {
        std::hint::black_box(std::time::Instant::now());
    });
    assert_eq!(clock[Call::Clock as usize], 1);
    let file = calls_of(|| drop(std::fs::File::open("/dev/null")));
    assert_eq!(file[Call::Open as usize], 1);
    let socket = calls_of(|| drop(std::net::UdpSocket::bind("127.0.0.1:0")));
    assert_eq!(socket[Call::Socket as usize], 1);
    let mut bytes = [0_u8; 8];
    // SAFETY: the buffer is as long as is said.
    let chance = calls_of(|| assert_eq!(unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), 8, 0) }, 8));
    assert_eq!(chance[Call::Chance as usize], 1);
}

#[test]
fn no_run_asks_clock_chance_files_or_sockets() {
    for seed in 20..26 {
        let plan = Plan::draw(seed, Shape { run_ms: 3_000, nodes: None });
        let calls = calls_of(|| assert!(run(&plan).is_well(), "seed {seed}"));
        assert_eq!(calls, [0; 4], "clock, chance, open, socket (seed {seed})");
    }
}
