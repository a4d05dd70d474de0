--TEST--
Ezdfs\Store::load() gives what the table says
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store(['url_prefix' => 'http://static.example.com']);
$store->createFromString('images/1/a.png', 'abc', ['mime_type' => 'image/png', 'mtime' => 981165906]);
unlink(test_path('images/1/a.png'));
$info = $store->load('images/1/a.png');
var_dump($info::class, $info->id, $info->size, $info->mtime->format('c e'), $info->mimeType, $info->scope, $info->uri);
?>
--EXPECT--
string(14) "Ezdfs\FileInfo"
string(14) "images/1/a.png"
int(3)
string(29) "2001-02-03T02:05:06+00:00 UTC"
string(9) "image/png"
string(5) "image"
string(40) "http://static.example.com/images/1/a.png"
