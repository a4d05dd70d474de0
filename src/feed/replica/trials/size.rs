//! What a row costs in the file.

use super::helper::{Random, rounds};
use super::{Part, State, Writer, bytes, directory, key, now, row, writer};
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
    // Of fewer a batch touches nearly all pages, which is a copy of the whole for each.
    let rows = if rounds() >= 1000 { 1_000_000 } else { 300_000 };
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
