//! The simulated disk's faults do what they say: a fault that does nothing makes every proof pass.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quorate_wal::io::OpenMode;
use quorate_wal::testkit::{CRASH_OPERATIONS_MAX, Fired, SimIo};
use quorate_wal::{Io, IoFile};

const F: &str = "/d/f";

/// A disk with one durable file of `bytes` ones, opened to be written.
fn with_file(bytes: usize) -> (SimIo, Arc<dyn IoFile>) {
    let disk = SimIo::new(1);
    disk.set_contents(F, vec![1; bytes]);
    let file = disk.open(Path::new(F), OpenMode::ReadWrite).unwrap();
    (disk, file)
}

fn read(file: &Arc<dyn IoFile>, bytes: usize) -> Vec<u8> {
    let mut all = vec![0; bytes];
    file.read_exact_at(&mut all, 0).unwrap();
    all
}

/// The contents of `path` on each disk that a power cut may leave.
fn left(disk: &SimIo, last: usize, path: &str) -> Vec<Option<Vec<u8>>> {
    disk.crash_states(last).map(|state| state.contents(path)).collect()
}

#[test]
fn a_stale_read_shows_each_sector_before_its_last_write_and_only_as_often_as_said() {
    let (disk, file) = with_file(1024);
    file.write_all_at(&[2; 100], 0).unwrap();
    file.write_all_at(&[3; 100], 50).unwrap();
    file.write_all_at(&[4; 100], 600).unwrap();
    let now = read(&file, 1024);
    disk.stale_reads(F, 0..1024, 2);
    let past = [vec![2; 100], vec![1; 924]].concat();
    assert_eq!(read(&file, 1024), past, "the second write to the first sector, the only one to the other");
    assert_eq!(read(&file, 1024), past);
    assert_eq!(read(&file, 1024), now, "twice was said");
    disk.stale_reads(F, 512..513, u64::MAX);
    let mixed = [&now[..512], &past[512..513], &now[513..]].concat();
    assert_eq!(read(&file, 1024), mixed);
    assert_eq!(read(&file, 512), now[..512], "a read that does not touch the range is not stale");
    disk.stale_reads(F, 0..0, 0);
    assert_eq!(read(&file, 1024), now);
    assert_eq!(disk.contents(F).unwrap(), now, "the disk itself has the truth");
}

#[test]
fn a_misdirected_write_reports_success_and_hits_other_sectors_here_or_elsewhere_once_the_power_goes() {
    let mut victims = BTreeSet::new();
    for seed in 0..40 {
        let disk = SimIo::new(seed);
        disk.set_contents(F, vec![1; 4 * 512]);
        disk.set_contents("/d/other", vec![5; 2 * 512]);
        let file = disk.open(Path::new(F), OpenMode::ReadWrite).unwrap();
        disk.misdirect_write_after(2);
        file.write_all_at(&[2; 100], 512).unwrap();
        file.write_all_at(&[3; 100], 700).unwrap();
        file.sync_data().unwrap();
        let meant = disk.contents(F).unwrap();
        assert_eq!((meant[512], meant[700]), (2, 3), "the page cache has it where it belongs");
        disk.cut_power();
        let (here, other) = (disk.contents(F).unwrap(), disk.contents("/d/other").unwrap());
        assert_eq!(
            here[512..1024],
            [vec![2; 100], vec![1; 412]].concat(),
            "the first write went where it should"
        );
        let sector = &meant[512..1024];
        let all: Vec<&[u8]> = here.chunks(512).chain(other.chunks(512)).collect();
        let hit: Vec<usize> = (0..6).filter(|n| all[*n] == sector).collect();
        assert_eq!(hit.len(), 1, "seed {seed}");
        assert_ne!(hit[0], 1);
        victims.insert(hit[0]);
    }
    assert_eq!(victims.into_iter().collect::<Vec<_>>(), [0, 2, 3, 4, 5], "anywhere but where it belongs");
}

#[test]
fn rot_flips_as_many_bits_as_it_says_where_it_says_anywhere() {
    let (disk, _) = with_file(100);
    disk.set_contents("/d/other", vec![0; 300]);
    let flipped = disk.rot(200);
    assert_eq!(flipped.len(), 200);
    let mut expected = [(F, vec![1; 100]), ("/d/other", vec![0; 300])];
    for rotten in &flipped {
        let (_, bytes) = expected.iter_mut().find(|(path, _)| Path::new(path) == rotten.path).unwrap();
        bytes[rotten.offset as usize] ^= 1 << rotten.bit;
    }
    for (path, bytes) in &expected {
        assert_eq!(disk.contents(path).unwrap(), *bytes, "{path}");
    }
    let files: BTreeSet<PathBuf> = flipped.into_iter().map(|rotten| rotten.path).collect();
    assert_eq!(files.len(), 2);
    disk.cut_power();
    assert_eq!(disk.contents(F).unwrap(), expected[0].1, "rot is on the disk");
}

#[test]
fn an_unreadable_sector_fails_only_the_reads_that_reach_it() {
    let (disk, file) = with_file(2048);
    disk.fail_reads_at(F, 1024 + 7);
    assert_eq!(read(&file, 1024), [1; 1024]);
    let mut buf = [0; 2048];
    assert_eq!(file.pread(&mut buf, 0).unwrap(), 1024, "what lies before is read");
    assert!(file.read_exact_at(&mut buf, 0).is_err());
    assert!(file.pread(&mut buf[..1], 1024).is_err());
    assert_eq!(file.pread(&mut buf, 1536).unwrap(), 512);
}

#[test]
fn a_directory_whose_sync_failed_has_its_names_unsynced_until_the_next() {
    let mut fates = BTreeSet::new();
    for seed in 0..20 {
        for syncs in 0..2 {
            let disk = SimIo::new(seed);
            disk.set_contents(F, vec![1]);
            disk.rename(Path::new(F), Path::new("/d/g")).unwrap();
            disk.fail_dir_sync_after(1);
            assert!(disk.sync_dir(Path::new("/d")).is_err());
            (0..syncs).for_each(|_| disk.sync_dir(Path::new("/d")).unwrap());
            disk.cut_power();
            fates.insert((syncs, disk.paths()));
        }
    }
    let (old, new) = (vec![PathBuf::from(F)], vec![PathBuf::from("/d/g")]);
    assert_eq!(fates, [(0, old), (0, new.clone()), (1, new)].into());
}

#[test]
fn time_is_what_the_disk_takes_and_what_one_lets_pass() {
    let (disk, file) = with_file(1);
    let begun = disk.monotonic();
    disk.stall_sync_after(2, Duration::from_secs(30));
    file.write_all_at(&[2], 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.busy_time(), Duration::from_micros(82));
    file.sync_data().unwrap();
    disk.advance(Duration::from_secs(5));
    assert_eq!(disk.busy_time(), Duration::from_secs(30) + Duration::from_micros(162));
    assert_eq!(disk.monotonic(), begun + disk.busy_time() + Duration::from_secs(5));
}

#[test]
fn every_way_to_keep_and_lose_single_sectors_and_names_is_visited_once() {
    let (disk, file) = with_file(1536);
    disk.set_contents("/d/a", vec![9]);
    file.write_all_at(&[2; 10], 0).unwrap();
    disk.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
    file.write_all_at(&[3; 10], 5).unwrap();
    assert_eq!(disk.unsynced_operations(), 3);
    let shown = disk.contents(F);
    let states: BTreeSet<(bool, Vec<u8>)> = disk
        .crash_states(6)
        .map(|state| {
            assert_eq!(state.contents("/d/a").is_some(), state.contents("/d/b").is_none());
            (state.contents("/d/b").is_some(), state.contents(F).unwrap()[..15].to_vec())
        })
        .collect();
    let first = [vec![2; 10], vec![1; 5]].concat();
    let second = [vec![1; 5], vec![3; 10]].concat();
    let both = [vec![2; 5], vec![3; 10]].concat();
    let files = [vec![1; 15], first, second, both];
    let all: BTreeSet<_> = [false, true].into_iter().flat_map(|b| files.clone().map(|f| (b, f))).collect();
    assert_eq!(states, all);
    assert_eq!(disk.crash_states(6).count(), 8, "each once");
    assert_eq!(disk.contents(F), shown, "the disk itself is untouched");
    // Only the last is open: what was before it is kept.
    let last: BTreeSet<_> = left(&disk, 1, F).into_iter().map(|f| f.unwrap()[..15].to_vec()).collect();
    assert_eq!(last, [files[1].clone(), files[3].clone()].into());
    assert_eq!(disk.crash_states(0).count(), 1);
}

#[test]
fn a_write_over_few_sectors_leaves_any_part_and_over_many_a_beginning_or_an_end() {
    for (sectors, expected) in [(1, 2), (2, 4), (3, 8), (4, 16), (5, 2 + 8), (8, 2 + 14), (100, 2 + 14)] {
        let (disk, file) = with_file(sectors * 512);
        file.write_all_at(&vec![2; sectors * 512], 0).unwrap();
        let states = left(&disk, 6, F);
        assert_eq!(states.len(), expected, "{sectors} sectors");
        for state in states.into_iter().flatten() {
            assert!(
                state.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])),
                "sectors are whole"
            );
        }
    }
}

#[test]
fn a_file_that_grows_may_be_longer_with_zeros_in_it() {
    let (disk, file) = with_file(512);
    file.write_all_at(&[2; 512], 512).unwrap();
    let states: BTreeSet<Vec<u8>> = left(&disk, 6, F).into_iter().flatten().collect();
    let ones = vec![1; 512];
    let longer = |byte| [ones.clone(), vec![byte; 512]].concat();
    assert_eq!(states, [ones.clone(), longer(0), longer(2)].into());
}

#[test]
fn no_more_disks_are_visited_than_the_bound_says_however_much_is_open() {
    let (disk, file) = with_file(0);
    for n in 0..20_u64 {
        file.write_all_at(&vec![n as u8 + 1; 5 * 512], n * 10 * 512).unwrap();
    }
    let states = disk.crash_states(CRASH_OPERATIONS_MAX).count();
    // 2^6 with whole writes, 6 · 8 · 2^5 with one torn, and some with a file that only grew.
    assert!((64 + 1536..=2944).contains(&states), "{states}");
}

#[test]
fn synced_operations_are_in_every_state_and_a_dark_disk_can_be_visited() {
    let (disk, file) = with_file(512);
    file.write_all_at(&[2; 512], 0).unwrap();
    file.sync_data().unwrap();
    disk.cut_power_after(2);
    file.write_all_at(&[3; 512], 0).unwrap();
    assert!(file.sync_data().is_err());
    assert!(disk.is_dark());
    let states: BTreeSet<Vec<u8>> = left(&disk, 6, F).into_iter().flatten().collect();
    assert_eq!(states, [vec![2; 512], vec![3; 512]].into());
    let state = disk.crash_states(6).next().unwrap();
    assert!(!state.is_dark() && file.len().is_err(), "there the power is back, here it is not");
    assert_eq!(state.unsynced_operations(), 0);
}

#[test]
fn faults_that_are_called_off_do_not_come() {
    let (disk, file) = with_file(512);
    disk.cut_power_after(2);
    disk.fail_sync_after(1);
    disk.fail_dir_sync_after(1);
    disk.fail_write_after(1);
    disk.misdirect_write_after(1);
    disk.stall_sync_after(1, Duration::from_secs(9));
    disk.short_writes(1);
    disk.set_capacity(Some(0));
    disk.fail_reads(F);
    disk.fail_reads_at(F, 0);
    disk.stale_reads(F, 0..512, 9);
    disk.end_faults();
    file.write_all_at(&[2; 1024], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(read(&file, 1024), [2; 1024]);
    assert!(disk.busy_time() < Duration::from_secs(1) && !disk.is_dark());
}

#[test]
fn a_rename_that_is_kept_moves_the_file_that_was_renamed_whatever_had_its_name_before() {
    let disk = SimIo::new(1);
    disk.ensure_dir(Path::new("/d")).unwrap();
    let make = |byte: u8| {
        let file = disk.open(Path::new(F), OpenMode::Create).unwrap();
        file.write_all_at(&[byte], 0).unwrap();
        file.sync_data().unwrap();
    };
    make(1);
    disk.remove(Path::new(F)).unwrap();
    make(2);
    disk.rename(Path::new(F), Path::new("/d/g")).unwrap();
    let states: BTreeSet<_> = disk.crash_states(6).map(|s| (s.contents(F), s.contents("/d/g"))).collect();
    let (one, two) = (Some(vec![1]), Some(vec![2]));
    let all = [(None, None), (one.clone(), None), (two.clone(), None), (None, two.clone()), (one, two)];
    assert_eq!(states, all.into());
}

#[test]
fn a_write_that_fits_nowhere_else_is_not_misdirected_and_what_came_about_is_counted() {
    let (disk, file) = with_file(512);
    disk.misdirect_write_after(1);
    file.write_all_at(&[2; 4096], 0).unwrap();
    file.sync_data().unwrap();
    disk.cut_power();
    assert_eq!(disk.contents(F).unwrap(), [2; 4096]);
    assert_eq!(disk.fired(), Fired::default());
    let file = disk.open(Path::new(F), OpenMode::ReadWrite).unwrap();
    disk.fail_sync_after(1);
    disk.fail_write_after(1);
    disk.fail_reads_at(F, 0);
    assert!(file.write_all_at(&[3; 8], 0).is_err());
    assert!(file.sync_data().is_err());
    assert!(file.pread(&mut [0; 8], 0).is_err());
    disk.end_read_faults();
    assert_eq!(read(&file, 8), [2; 8]);
    disk.stale_reads(F, 0..512, 1);
    assert_eq!(read(&file, 8), [1; 8]);
    let fired = disk.fired();
    assert_eq!((fired.writes_failed, fired.syncs_failed), (1, 1));
    assert_eq!((fired.reads_failed, fired.reads_stale), (1, 1));
}
