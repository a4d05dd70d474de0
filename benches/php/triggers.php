<?php

// The statement of a kernel's create, on a table with a change log and on one without, in turns: triggers.php FIRST.
//
// Prints {operation: [{with: {us, cpu}, without: {us, cpu}}]}: microseconds of one in each round, and of the database's
// CPU time. FIRST is the number of the first new row.

declare(strict_types=1);

const ROUNDS = 31;
const CREATES = 200;
const UPSERT = 'INSERT INTO ezdfsfile (datatype, name, name_trunk, name_hash, scope, size, mtime, expired, status) ' .
    'VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0) ON DUPLICATE KEY UPDATE datatype = VALUES(datatype), name = VALUES(name), ' .
    'name_trunk = VALUES(name_trunk), scope = VALUES(scope), size = VALUES(size), mtime = VALUES(mtime)';
// innodb_flush_log_at_trx_commit: 1 waits for the disk with each, which is the default.
const OPERATIONS = ['create' => [0, 2], 'overwrite' => [0, 2], 'create, flushed' => [1, 1], 'overwrite, flushed' => [1, 1]];

$beside = preg_replace('/dbname=\w+/', 'dbname=' . getenv('BENCH_BESIDE'), getenv('BENCH_PDO'));
$who = [
    'with' => new PDO(getenv('BENCH_PDO'), 'ezdfs', 'secret'),
    'without' => new PDO($beside, 'ezdfs', 'secret'),
];

/** Microseconds of CPU time that the threads of the database have had. */
function cpu(): float
{
    $of = fn (string $file) => (int) @file_get_contents($file);

    return array_sum(array_map($of, glob('/proc/' . getenv('BENCH_DATABASE') . '/task/*/schedstat'))) / 1000;
}

/** What one of them takes. */
function create(PDO $pdo, int $first): array
{
    $upsert = $pdo->prepare(UPSERT);
    $before = cpu();
    $start = hrtime(true);
    for ($i = $first; $i < $first + CREATES; $i++) {
        $name = sprintf('var/site/storage/images/_created/%d/%d.jpg', $i % 100, $i);
        $upsert->execute(['image/jpeg', $name, $name, md5($name), 'image', 20480, time()]);
    }
    $elapsed = (hrtime(true) - $start) / 1000;

    return ['us' => $elapsed / CREATES, 'cpu' => (cpu() - $before) / CREATES];
}

$rounds = [];
foreach (OPERATIONS as $operation => [$part, $flush]) {
    $who['with']->exec("SET GLOBAL innodb_flush_log_at_trx_commit = $flush");
    // The round before the first one warms up.
    for ($round = -1; $round < ROUNDS; $round++) {
        $first = (int) $argv[1] + ($part * (ROUNDS + 1) + $round + 1) * CREATES;
        $turns = $round % 2 ? $who : array_reverse($who);
        $times = array_map(fn (PDO $pdo) => create($pdo, $first), $turns);
        if ($round >= 0) {
            $rounds[$operation][] = $times;
        }
    }
}
echo json_encode($rounds), "\n";
