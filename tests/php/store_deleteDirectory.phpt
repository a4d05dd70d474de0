--TEST--
Ezdfs\Store::deleteDirectory() deletes what is below, says how many rows, and takes an absent one
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
foreach (['images/1/a', 'images/1/b/c', 'images/10/d', 'images/1x'] as $id) {
    $store->createFromString($id, 'x');
}
var_dump($store->deleteDirectory('images/1'), $store->deleteDirectory('images/1/'));
echo implode(' ', test_tree()), "\n";
?>
--EXPECT--
int(2)
int(0)
images/10/d images/1x
