--TEST--
Ezdfs\Store::exists() asks for the row alone
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
mkdir(test_path('images'));
file_put_contents(test_path('images/stray.txt'), 'a file without a row');
$store->putMetadata('images/row.txt', 5, new DateTime());
var_dump($store->exists('images/row.txt'), $store->exists('images/stray.txt'));
?>
--EXPECT--
bool(true)
bool(false)
