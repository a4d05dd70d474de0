--TEST--
Ezdfs\Store::open() gives a stream that PHP's functions know
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/a.txt', implode('', range('a', 'z')));
$stream = $store->open('images/a.txt');
var_dump(get_resource_type($stream), fstat($stream)['size'], ftell($stream));
fseek($stream, 10);
echo fread($stream, 3), "\n";
$copy = fopen('php://memory', 'w+b');
echo stream_copy_to_stream($stream, $copy, 4, 2), ' ', stream_get_contents($copy, -1, 0), "\n";
fseek($stream, -3, SEEK_END);
echo fpassthru($stream), "\n";
rewind($stream);
echo strlen(stream_get_contents($stream)), ' ', var_export(feof($stream), true), "\n";
$meta = stream_get_meta_data($stream);
var_dump($meta['mode'], $meta['seekable'], @fwrite($stream, 'x'), fclose($stream));
// All in one call, as of a plain file: PHP reads other streams by chunks.
$store->createFromString('images/b.txt', str_repeat('x', 100000));
var_dump(strlen(fread($store->open('images/b.txt'), 100000)), strlen(fread($store->openData('images/b.txt'), 99999)));
?>
--EXPECT--
string(6) "stream"
int(26)
int(0)
klm
4 cdef
xyz3
26 true
string(2) "rb"
bool(true)
bool(false)
bool(true)
int(100000)
int(99999)
