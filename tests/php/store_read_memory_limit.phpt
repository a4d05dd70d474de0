--TEST--
Ezdfs\Store::read() of more than memory_limit is PHP's own fatal error
--INI--
memory_limit=16M
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store(['durability' => 'rename']);
$source = fopen(test_file(''), 'r+b');
ftruncate($source, 100 << 20);
$store->create('original/large', $source);
register_shutdown_function(function () use ($store) {
    echo $store->load('original/large')->size >> 20, " MiB\n";
});
$store->read('original/large');
echo "not reached\n";
?>
--EXPECTF--
Fatal error: Allowed memory size of %d bytes exhausted (tried to allocate %d bytes) in %s on line %d
100 MiB
