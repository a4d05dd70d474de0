--TEST--
Streams over one file have positions of their own and outlive the store
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/a.txt', '0123456789');
[$one, $two] = [$store->open('images/a.txt'), $store->open('images/a.txt')];
fseek($one, 5);
$store->delete('images/a.txt');
unset($store);
gc_collect_cycles();
echo fread($one, 3), ' ', fread($two, 3), "\n";
?>
--EXPECT--
567 012
