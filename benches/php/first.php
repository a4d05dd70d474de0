<?php

// What the first operation of a request takes, connecting included. Prints nanoseconds.

declare(strict_types=1);

require __DIR__ . '/Plain.php';
require __DIR__ . '/stores.php';

['who' => $who, 'operation' => $operation, 'id' => $id] = $_GET;
$start = hrtime(true);
$store = match ($who) {
    'ezdfs' => store(),
    'replica' => store(['replica' => getenv('BENCH_REPLICA')]),
    'uncached' => store(['cache_ttl' => '0']),
    'plain' => Plain::connect(),
    'persistent' => Plain::connect(true),
};
if ($operation === 'create') {
    $source = fopen($_SERVER['PICTURE'], 'rb');
    $store->create($id, $source, $store instanceof Plain ? 'image/jpeg' : ['mime_type' => 'image/jpeg']);
} else {
    $store->$operation($id);
}
echo hrtime(true) - $start;
