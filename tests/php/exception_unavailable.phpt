--TEST--
UnavailableException where the database or the mount is gone
--FILE--
<?php
require __DIR__ . '/store.inc';

$options = ['connect_timeout' => '500ms'] + test_options();
thrown(fn () => (new Ezdfs\Store(['dsn' => 'mysql://u:hunter2@127.0.0.1:1/db'] + $options))->exists('a'));
$store = test_store(['root' => test_dir() . '/unmounted']);
$store->putMetadata('images/a', 1, new DateTime());
thrown(fn () => $store->read('images/a'));
thrown(fn () => $store->createFromString('images/a', 'x'));
thrown(fn () => $store->delete('images/a'));
var_dump($store->exists('images/a'));
?>
--EXPECTF--
Ezdfs\Exception\UnavailableException: %s
Ezdfs\Exception\UnavailableException: %s
Ezdfs\Exception\UnavailableException: %s
Ezdfs\Exception\UnavailableException: %s
bool(true)
