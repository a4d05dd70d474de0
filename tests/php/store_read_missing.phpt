--TEST--
Ezdfs\Store::read() throws NotFoundException without a row, and without its file
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
thrown(fn () => $store->read('images/none.txt'));
$store->createFromString('images/kept.txt', 'a');
$store->createFromString('images/lost.txt', 'a');
unlink(test_path('images/lost.txt'));
thrown(fn () => $store->read('images/lost.txt'));
file_put_contents(test_path('images/stray.txt'), 'a');
thrown(fn () => $store->read('images/stray.txt'));
?>
--EXPECTF--
Ezdfs\Exception\NotFoundException: open "images/none.txt": not found
Ezdfs\Exception\NotFoundException: open "images/lost.txt": %s
Ezdfs\Exception\NotFoundException: open "images/stray.txt": not found
