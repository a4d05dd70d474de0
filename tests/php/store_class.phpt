--TEST--
Ezdfs\Store can be neither cloned, serialized nor extended
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
thrown(fn () => clone $store);
thrown(fn () => serialize($store));
var_dump((new ReflectionClass($store))->isFinal());
?>
--EXPECT--
Error: Trying to clone an uncloneable object of class Ezdfs\Store
Exception: Serialization of 'Ezdfs\Store' is not allowed
bool(true)
