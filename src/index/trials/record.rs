//! Rows that go into a journal and come back.

use super::support::db::{Backend, TestDb};
use super::{OLD_POSTGRES, run};
use crate::error::{ErrorKind, Result};
use crate::index::{Index, PendingWrite, Record};
use crate::name::FileName;
use crate::runtime;

async fn records(index: &Index, names: &[FileName]) -> Result<Vec<Record>> {
    let mut pending = index.begin_for(names).await?;
    let records = pending.records(index, names).await?;
    pending.roll_back().await?;
    Ok(records)
}

fn record(name: &str, key: &str) -> Record {
    Record {
        name: name.to_owned(),
        name_trunk: "images/trunk".to_owned(),
        name_hash: key.to_owned(),
        datatype: Some("image/jpeg".to_owned()),
        scope: Some("image".to_owned()),
        size: 3,
        mtime: -1_700_000_000,
        expired: true,
        status: Some(true),
    }
}

pub(super) fn a_deleted_row_comes_back_whole(db: &TestDb) {
    let index = super::index(db, "ezdfsfile");
    run(index.create_schema());
    let mut kept = vec![
        record("images/\u{1f600} a.jpg", "0cc175b9c0f1b6a831c399e269772661"),
        Record {
            size: 3_000_000_000,
            mtime: 1,
            expired: false,
            status: Some(false),
            ..record("images/b ", "92EB5FFEE6AE2FEC3AD71C777531578F")
        },
    ];
    if db.backend != Backend::Sqlite {
        let nullable = match db.backend {
            Backend::MariaDb => "MODIFY datatype varchar(255) NULL, MODIFY scope varchar(25) NULL",
            _ => "ALTER datatype DROP NOT NULL, ALTER scope DROP NOT NULL",
        };
        db.sql(&format!("ALTER TABLE ezdfsfile {nullable}"));
        let row = record("images/c", "4a8a08f09d37b73795649038408b5f33");
        kept.push(Record { datatype: None, scope: None, ..row });
    }
    assert_comes_back_whole(db, &index, &kept);

    if db.backend == Backend::Postgres {
        db.sql(OLD_POSTGRES);
        let index = super::index(db, "old");
        kept[1].size = 3;
        let kept: Vec<_> =
            kept.into_iter().map(|record| Record { status: None, ..record }).collect();
        assert_comes_back_whole(db, &index, &kept);
    }
}

fn assert_comes_back_whole(db: &TestDb, index: &Index, kept: &[Record]) {
    let raw = || db.sql(&format!("SELECT * FROM {} ORDER BY name_hash", index.main.name));
    for record in kept {
        let restored = run(index.begin_restore(record)).expect("a place");
        run(restored.commit());
    }
    let rows = raw();
    let name = |record: &Record| FileName::of_row(&record.name, &record.name_hash);
    let names: Vec<_> = kept.iter().map(name).collect();
    let mut found = run(records(index, &names));
    found.sort_by_key(|record| names.iter().position(|name| name.hash() == record.name_hash));
    assert_eq!(found, kept);
    let journal = serde_json::to_string(&found).unwrap();
    db.sql(&format!("DELETE FROM {}", index.main.name));

    let read: Vec<Record> = serde_json::from_str(&journal).unwrap();
    for record in &read {
        run(run(index.begin_restore(record)).expect("a place").commit());
        // What is there is left alone.
        let other = Record { name: "images/other".to_owned(), ..record.clone() };
        assert!(run(index.begin_restore(&other)).is_none());
    }
    assert_eq!(raw(), rows);
    if db.backend != Backend::Sqlite {
        // Nothing is cut to make it fit.
        let long = Record { datatype: Some("x".repeat(256)), ..record("images/long", "long") };
        let error = runtime::block_on(index.begin_restore(&long)).err().expect("too long");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    // Dropped, it is rolled back.
    let last = &read[read.len() - 1];
    db.sql(&format!("DELETE FROM {} WHERE name = '{}'", index.main.name, last.name));
    let pending: Option<PendingWrite> = run(index.begin_restore(last));
    drop(pending.expect("a place"));
    assert_eq!(run(records(index, &names)).len(), kept.len() - 1);
}
