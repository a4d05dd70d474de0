--TEST--
Nothing starts before a store is used: no thread, no descriptor, no file
--FILE--
<?php
require __DIR__ . '/store.inc';

$count = fn () => [count(scandir('/proc/self/task')), count(scandir('/proc/self/fd'))];
$before = $count();
$store = new Ezdfs\Store(test_options());
$store->uri('images/a');
$store->list();
var_dump($count() === $before, file_exists(test_dir() . '/ezdfs.sqlite'));
?>
--EXPECT--
bool(true)
bool(false)
