--TEST--
Ezdfs\Store::createFromString() and read() keep every byte
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$bytes = implode('', array_map('chr', range(0, 255))) . random_bytes(200000);
foreach ([$bytes, "\0", "a", ''] as $contents) {
    $store->createFromString('images/é/binary', $contents);
    var_dump($store->read('images/é/binary') === $contents);
}
?>
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
