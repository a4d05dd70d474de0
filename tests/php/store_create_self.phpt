--TEST--
A file may be the source of its own replacement
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/a.txt', 'head and tail');
$source = $store->open('images/a.txt');
fseek($source, 9);
$store->create('images/a.txt', $source);
echo $store->read('images/a.txt'), "\n";
?>
--EXPECT--
tail
