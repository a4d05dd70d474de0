//! What a row costs in the file, and a look-up in time.

use std::fs;
use std::time::Instant;

use super::helper::{Random, rounds};
use super::{Answer, Part, State, Writer, bytes, directory, key, now, replica, row, writer};
use crate::name::Key;

/// Bytes of the file for each row, at most.
const MOST: u64 = 80;

/// Rows that the agent reads or changes at a time.
const PAGE: usize = 5000;
const BATCH: u64 = 500;

fn load(writer: &mut Writer, count: u64) {
    let mut keys: Vec<Key> = (0..count).map(key).collect();
    keys.sort_unstable();
    let mut state = State { is_complete: true, ..State::default() };
    let mut after = None;
    for page in keys.chunks(PAGE) {
        let rows: Vec<_> = page.iter().map(|key| (*key, row(100_000))).collect();
        let part = Part { after, to: page.last().copied() };
        let mut batch = writer.begin().unwrap();
        batch.put_part(&part, &rows).unwrap();
        batch.commit(&mut state, Some(now())).unwrap();
        after = part.to;
    }
}

/// Deletes as many rows as it adds, at random.
fn churn(writer: &mut Writer, live: &mut [u64], changes: u64) {
    let mut random = Random::new();
    let mut state = writer.state().unwrap();
    let mut next = live.iter().max().unwrap() + 1;
    for _ in 0..changes / BATCH {
        let mut batch = writer.begin().unwrap();
        for _ in 0..BATCH / 2 {
            let place = &mut live[random.below(1 << 40) as usize % live.len()];
            batch.put(&key(*place), None).unwrap();
            *place = next;
            next += 1;
            batch.put(&key(*place), Some(&row(200_000))).unwrap();
        }
        batch.commit(&mut state, Some(now())).unwrap();
    }
}

#[test]
fn a_row_costs_little_loaded_and_after_many_changes() {
    let rows = if rounds() >= 1000 { 1_000_000 } else { 50_000 };
    let directory = directory();
    let mut writer = writer(directory.path());
    load(&mut writer, rows);
    let mut costs = vec![bytes(directory.path()) as f64 / rows as f64];
    let mut live: Vec<_> = (0..rows).collect();
    for _ in 0..3 {
        churn(&mut writer, &mut live, rows);
        assert_eq!(writer.state().unwrap().rows, rows);
        costs.push(bytes(directory.path()) as f64 / rows as f64);
    }
    println!("{rows} rows, bytes each: {costs:.1?}");
    assert!(costs.iter().all(|cost| *cost <= MOST as f64), "{costs:.1?}");
}

#[test]
#[ignore = "measures"]
fn measures() {
    for rows in [100_000, 1_000_000, 10_000_000] {
        let directory = directory();
        let mut writer = writer(directory.path());
        let start = Instant::now();
        load(&mut writer, rows);
        println!(
            "{rows} rows: {:.1} bytes each, loaded in {:?}",
            bytes(directory.path()) as f64 / rows as f64,
            start.elapsed()
        );
        drop(writer);
        let before = memory();
        let replica = replica(directory.path());
        let mut random = Random::new();
        for (what, range) in [("all", rows), ("hot", 10_000)] {
            let keys: Vec<_> = (0..1_000_000).map(|_| key(random.below(1 << 40) % range)).collect();
            let start = Instant::now();
            let found =
                keys.iter().filter(|key| matches!(replica.look_up(key), Answer::Known(_))).count();
            println!(
                "  look-up, {what}: {} ns, {found} found",
                start.elapsed().as_nanos() / keys.len() as u128
            );
        }
        let keys: Vec<_> = (0..1_000_000).map(|it| key(rows + it)).collect();
        let start = Instant::now();
        let missing = keys.iter().filter(|key| replica.look_up(key) == Answer::Unknown).count();
        println!(
            "  of nothing: {} ns, {missing} missing",
            start.elapsed().as_nanos() / keys.len() as u128
        );
        println!("  memory of the reader: {before:?} to {:?} (own, shared kB)", memory());
        drop(replica);
        let mut writer = self::writer(directory.path());
        let start = Instant::now();
        churn(&mut writer, &mut (0..rows).collect::<Vec<_>>(), 100_000);
        println!("  100,000 changes in {:?}", start.elapsed());
    }
}

/// Of this process: its own, and what it shares of files.
fn memory() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    (number("RssAnon:"), number("RssFile:") + number("RssShmem:"))
}
