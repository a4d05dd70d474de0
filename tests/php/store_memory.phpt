--TEST--
Neither memory nor descriptors grow with the calls
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store(['durability' => 'rename']);
function round_trip(Ezdfs\Store $store, int $i): void
{
    $id = 'images/' . $i % 3;
    $store->createFromString($id, str_repeat('x', 1000), ['mtime' => new DateTime()]);
    $source = fopen('php://memory', 'w+b');
    fwrite($source, 'abc');
    rewind($source);
    $store->create($id, $source);
    $store->load($id);
    $store->read($id);
    fread($store->open($id), 10);
    foreach ($store->list() as $info) {
        $info->mtime;
    }
    try {
        $store->load('images/missing');
    } catch (Ezdfs\Exception\NotFoundException $e) {
    }
    $store->rename($id, 'images/other');
    $store->delete('images/other');
    new Ezdfs\Store(test_options());
}
for ($i = 0; $i < 10; $i++) {
    round_trip($store, $i);
}
gc_collect_cycles();
$before = memory_get_usage();
$descriptors = count(scandir('/proc/self/fd'));
for ($i = 0; $i < 100; $i++) {
    round_trip($store, $i);
}
gc_collect_cycles();
var_dump(memory_get_usage() - $before < 1000, count(scandir('/proc/self/fd')) === $descriptors);
?>
--EXPECT--
bool(true)
bool(true)
