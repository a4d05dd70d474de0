--TEST--
Ezdfs\Store::create() replaces a file; who has it open goes on reading the old one
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/a.txt', 'old', ['mime_type' => 'text/x-old']);
$open = $store->open('images/a.txt');
$store->createFromString('images/a.txt', 'new one');
echo fread($open, 10), "\n", $store->read('images/a.txt'), "\n";
$info = $store->load('images/a.txt');
echo $info->size, ' ', $info->mimeType, "\n";
echo implode(' ', test_tree()), "\n";
?>
--EXPECT--
old
new one
7 text/plain
images/a.txt
