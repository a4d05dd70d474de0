--TEST--
Ezdfs\Store::delete() deletes row and file
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/1/a.txt', 'a');
$store->createFromString('images/2/b.txt', 'b');
$store->delete('images/1/a.txt');
var_dump($store->exists('images/1/a.txt'), test_tree());
thrown(fn () => $store->delete('images/1/a.txt'));
?>
--EXPECT--
bool(false)
array(1) {
  [0]=>
  string(14) "images/2/b.txt"
}
Ezdfs\Exception\NotFoundException: delete "images/1/a.txt": not found
