--TEST--
A large file passes Ezdfs\Store::create() and open() outside of PHP's memory
--INI--
memory_limit=8M
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store(['durability' => 'rename']);
$source = fopen(test_file(''), 'r+b');
ftruncate($source, 300 << 20);
memory_reset_peak_usage();
$before = memory_get_peak_usage();
var_dump($store->create('original/large', $source)->size >> 20);
$stream = $store->open('original/large');
fseek($stream, -1, SEEK_END);
var_dump(fread($stream, 2) === "\0", ftell($stream) >> 20);
var_dump(memory_get_peak_usage() - $before < 100000);
?>
--EXPECT--
int(300)
bool(true)
int(300)
bool(true)
