--TEST--
Ezdfs\Store::open() throws NotFoundException and leaves no descriptor
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/kept.txt', 'a');
$store->exists('images/a');
// What they lead to, for the message of a failure.
$descriptors = fn () => array_filter(array_map(fn ($fd) => @readlink("/proc/self/fd/$fd"), scandir('/proc/self/fd')));
$before = $descriptors();
for ($i = 0; $i < 20; $i++) {
    try {
        $store->open('images/none.txt');
    } catch (Ezdfs\Exception\NotFoundException $e) {
    }
    fclose($store->open('images/kept.txt'));
    $store->open('images/kept.txt');
}
echo $e->getMessage(), "\n";
$after = $descriptors();
echo count($after) === count($before) ? 'none left' : implode("\n", [...$before, 'and then', ...$after]), "\n";
?>
--EXPECT--
open "images/none.txt": not found
none left
