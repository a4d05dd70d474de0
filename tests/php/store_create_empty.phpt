--TEST--
A stream that is at its end makes an empty file
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$source = fopen(test_file('abc'), 'rb');
stream_get_contents($source);
var_dump($store->create('images/empty', $source)->size, $store->read('images/empty'));
var_dump($store->createFromString('images/none', '')->mimeType);
?>
--EXPECT--
int(0)
string(0) ""
string(24) "application/octet-stream"
