<?php

// Look-ups in a replica of many rows: replica.php ROWS. Prints microseconds of one, and this process's own bytes.

declare(strict_types=1);

require __DIR__ . '/stores.php';

const LOOK_UPS = 200_000;
const ROUNDS = 5;

$rows = (int) $argv[1];
$store = store(['replica' => getenv('BENCH_REPLICA')]);
mt_srand(1);
$id = function () use ($rows): string {
    $i = mt_rand(0, $rows - 1);

    return sprintf('images/%d/%d/%d.jpg', intdiv($i, 10000), intdiv($i, 100) % 100, $i);
};
$store->load($id());
$times = [];
for ($round = 0; $round < ROUNDS; $round++) {
    $ids = array_map($id, range(1, intdiv(LOOK_UPS, ROUNDS)));
    $start = hrtime(true);
    foreach ($ids as $each) {
        $store->load($each);
    }
    $times[] = (hrtime(true) - $start) / 1000 / count($ids);
}
sort($times);
preg_match('/^RssAnon:\s+(\d+)/m', file_get_contents('/proc/self/status'), $own);
echo json_encode(['load' => $times[intdiv(ROUNDS, 2)], 'own' => 1024 * (int) $own[1]]), "\n";
