--TEST--
Ezdfs\Store::__construct() takes strings, permissions as integers, and nulls
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store(['file_mode' => 0640, 'dir_mode' => '0750', 'cache_ttl' => 1, 'durability' => null]);
$store->createFromString('images/a.txt', 'a');
printf("%o %o\n", fileperms(test_path('images/a.txt')) & 07777, fileperms(test_path('images')) & 07777);
?>
--EXPECT--
640 750
