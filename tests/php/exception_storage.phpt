--TEST--
StorageException where the file system fails
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/a', 'x');
thrown(fn () => $store->createFromString('images/a/b', 'below a file'));
var_dump($store->exists('images/a/b'));
?>
--EXPECTF--
Ezdfs\Exception\StorageException: %s
bool(false)
