<?php

// Overwrites files through the extension, evenly over time, until it is ended: writer.php LIST PER_SECOND SIZE

declare(strict_types=1);

[, $list, $perSecond, $size] = $argv;
$ids = file($list, FILE_IGNORE_NEW_LINES);
$store = new Ezdfs\Store([
    'dsn' => getenv('BENCH_DSN'),
    'root' => getenv('BENCH_ROOT'),
    'durability' => 'rename',
]);
for ($count = 0, $start = hrtime(true);; $count++) {
    $contents = "\xff\xd8\xff\xe0\0\x10JFIF\0" . random_bytes((int) $size - 10);
    $store->createFromString($ids[$count % count($ids)], $contents, ['mime_type' => 'image/jpeg']);
    $ahead = $count * 1_000_000 / (int) $perSecond - (hrtime(true) - $start) / 1000;
    if ($ahead > 0) {
        usleep((int) $ahead);
    }
}
