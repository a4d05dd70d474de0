--TEST--
Ezdfs\Store::deleteMetadata() and deleteMetadataDirectory() delete rows and no files
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
foreach (['images/1/a', 'images/1/b', 'images/2/c', 'images/2/d'] as $id) {
    $store->createFromString($id, 'x');
}
$store->deleteMetadata('images/2/c');
thrown(fn () => $store->deleteMetadata('images/2/c'));
var_dump($store->deleteMetadataDirectory('images/1'), $store->deleteMetadataDirectory('images/1'));
var_dump($store->exists('images/1/a'), $store->exists('images/2/d'), count(test_tree()));
?>
--EXPECT--
Ezdfs\Exception\NotFoundException: delete "images/2/c": not found
int(2)
int(0)
bool(false)
bool(true)
int(4)
