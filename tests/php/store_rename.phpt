--TEST--
Ezdfs\Store::rename() moves row and file
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/a', 'bytes', ['mime_type' => 'text/x-mine', 'mtime' => 1000]);
$store->createFromString('images/c', 'replaced');
$info = $store->rename('images/a', 'images/b');
echo $info->id, ' ', $info->size, ' ', $info->mimeType, ' ', $info->mtime->getTimestamp(), "\n";
$store->rename('images/b', 'images/c');
var_dump($store->exists('images/a'), $store->read('images/c'), test_tree());
thrown(fn () => $store->rename('images/a', 'images/d'));
?>
--EXPECTF--
images/b 5 text/x-mine 1000
bool(false)
string(5) "bytes"
array(1) {
  [0]=>
  string(8) "images/c"
}
Ezdfs\Exception\NotFoundException: %s
