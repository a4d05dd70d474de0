--TEST--
Ezdfs\Store can be neither cloned, serialized nor extended, nor made without its constructor
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
thrown(fn () => clone $store);
thrown(fn () => serialize($store));
thrown(fn () => unserialize('O:11:"Ezdfs\Store":0:{}'));
foreach ([Ezdfs\Store::class, Ezdfs\FileIterator::class] as $class) {
    thrown(fn () => (new ReflectionClass($class))->newInstanceWithoutConstructor());
}
thrown(fn () => new Ezdfs\FileIterator());
thrown(fn () => clone $store->list());
thrown(fn () => $store->property = 1);
var_dump((new ReflectionClass($store))->isFinal());
?>
--EXPECT--
Error: Trying to clone an uncloneable object of class Ezdfs\Store
Exception: Serialization of 'Ezdfs\Store' is not allowed
Exception: Unserialization of 'Ezdfs\Store' is not allowed
ReflectionException: Class Ezdfs\Store is an internal class marked as final that cannot be instantiated without invoking its constructor
ReflectionException: Class Ezdfs\FileIterator is an internal class marked as final that cannot be instantiated without invoking its constructor
Error: Call to private Ezdfs\FileIterator::__construct() from global scope
Error: Trying to clone an uncloneable object of class Ezdfs\FileIterator
Error: Cannot create dynamic property Ezdfs\Store::$property
bool(true)
