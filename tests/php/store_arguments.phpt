--TEST--
Arguments of other types are refused with a TypeError
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
thrown(fn () => $store->load([]));
thrown(fn () => $store->load());
thrown(fn () => $store->create('a', fopen('php://memory', 'rb'), 'options'));
thrown(fn () => $store->putMetadata('a', 1, new stdClass()));
thrown(fn () => $store->putMetadata('a', -1, new DateTime()));
?>
--EXPECTF--
TypeError: %s
ArgumentCountError: %s
TypeError: %s
TypeError: %s
Ezdfs\Exception\InvalidInputException: option "size": must not be negative
