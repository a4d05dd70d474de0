--TEST--
Ezdfs\Store::deleteData() and deleteDataDirectory() delete files and no rows
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
foreach (['images/1/a', 'images/1/b', 'images/2/c'] as $id) {
    $store->createFromString($id, 'x');
}
$store->deleteData('images/2/c');
$store->deleteData('images/2/c');
$store->deleteDataDirectory('images/1');
$store->deleteDataDirectory('images/none');
// Whoever writes now loses nothing.
@mkdir(dirname($staged = test_path('images/1/.ezdfs-stage-1')));
touch($staged);
$store->deleteDataDirectory('images/1');
var_dump($store->exists('images/1/a'), $store->exists('images/2/c'), test_tree());
?>
--EXPECT--
bool(true)
bool(true)
array(1) {
  [0]=>
  string(23) "images/1/.ezdfs-stage-1"
}
