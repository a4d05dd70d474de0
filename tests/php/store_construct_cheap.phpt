--TEST--
Stores of the same options share threads and connections
--FILE--
<?php
require __DIR__ . '/store.inc';

$options = test_options();
test_store()->exists('images/a');
$resources = fn () => count(scandir('/proc/self/task')) + count(scandir('/proc/self/fd'));
$before = $resources();
for ($i = 0; $i < 200; $i++) {
    (new Ezdfs\Store($options))->exists("images/$i");
}
var_dump($resources() - $before);
?>
--EXPECT--
int(0)
