<?php

// Single operations on a table of many rows: scale.php ROWS. Prints {operation: median microseconds}, null for one
// that fails.

declare(strict_types=1);

require __DIR__ . '/stores.php';

$rows = (int) $argv[1];
$store = store(['cache_ttl' => '0', 'cache_negative_ttl' => '0']);
mt_srand(1);
$dir = fn (int $i) => sprintf('images/%d/%d', intdiv($i, 10000), intdiv($i, 100) % 100);
$id = fn (int $i) => $dir($i) . "/$i.jpg";

$times = fn (int $count, callable $work) => array_map(function () use ($rows, $work): float {
    $number = mt_rand(0, $rows - 1);
    $start = hrtime(true);
    $work($number);

    return (hrtime(true) - $start) / 1000;
}, range(1, $count));
$median = function (array $values): float {
    sort($values);

    return $values[intdiv(count($values), 2)];
};
$list = function (string $of, int $wanted) use ($store): void {
    foreach ($store->list($of) as $number => $info) {
        if (--$wanted === 0) {
            return;
        }
    }
    throw new RuntimeException("$of: $wanted files less than there should be");
};

$measured = function (int $count, callable $work) use ($times, $median): ?float {
    try {
        return $median($times($count, $work));
    } catch (Ezdfs\Exception\UnavailableException $e) {
        fprintf(STDERR, "%s\n", $e->getMessage());

        return null;
    }
};

echo json_encode([
    'load' => $measured(4000, fn (int $i) => $store->load($id($i))),
    'exists, missing' => $measured(4000, fn (int $i) => $store->exists($id($i) . '.missing')),
    'list a directory of 100' => $measured(400, fn (int $i) => $list($dir($i), 100)),
    'list the first 100 of all' => $measured(3, fn () => $list('', 100)),
]), "\n";
