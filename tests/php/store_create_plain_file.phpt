--TEST--
Ezdfs\Store::create() reads a plain file from where it stands, to its end
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$source = fopen(test_file('0123456789' . str_repeat('x', 300000) . 'end'), 'rb');
fread($source, 3);
fseek($source, 5);
$info = $store->create('images/a.txt', $source);
var_dump($info->size, substr($store->read('images/a.txt'), 0, 6), substr($store->read('images/a.txt'), -3));
var_dump(ftell($source), fread($source, 10), feof($source));
rewind($source);
var_dump(fread($source, 4));
?>
--EXPECT--
int(300008)
string(6) "56789x"
string(3) "end"
int(300013)
string(0) ""
bool(true)
string(4) "0123"
