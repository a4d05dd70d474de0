--TEST--
Without a type, the first bytes tell it
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
echo $store->createFromString('images/a.txt', "\x89PNG\r\n\x1a\n\0\0\0\rIHDR")->mimeType, "\n";
echo $store->createFromString('images/a.png', "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>")->mimeType, "\n";
?>
--EXPECT--
image/png
image/svg+xml
