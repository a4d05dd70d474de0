//! What a row costs in the file.

use super::helper::{Random, rounds};
use super::{Buckets, Part, State, Writer, bytes, directory, guessed_rows, key, now, row, writer};
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
        if after.is_none() {
            let guessed = guessed_rows(page.len(), &page[page.len() - 1]);
            batch.store_in(Buckets::for_rows(guessed)).unwrap();
        }
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
    for rows in sizes() {
        costs_little(rows);
    }
}

/// EZDFS_TEST_ROWS names others, such as 100000,3000000,10000000. Of fewer a batch touches nearly
/// all pages, which is a copy of the whole for each.
fn sizes() -> Vec<u64> {
    match std::env::var("EZDFS_TEST_ROWS") {
        Ok(given) => given.split(',').map(|rows| rows.parse().unwrap()).collect(),
        Err(_) if rounds() >= 1000 => vec![200_000, 300_000, 1_000_000],
        Err(_) => vec![200_000],
    }
}

fn costs_little(rows: u64) {
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
