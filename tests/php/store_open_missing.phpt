--TEST--
Ezdfs\Store::open() throws NotFoundException and leaves no descriptor
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/kept.txt', 'a');
$store->exists('images/a');
$before = count(scandir('/proc/self/fd'));
for ($i = 0; $i < 20; $i++) {
    try {
        $store->open('images/none.txt');
    } catch (Ezdfs\Exception\NotFoundException $e) {
    }
    fclose($store->open('images/kept.txt'));
    $store->open('images/kept.txt');
}
echo $e->getMessage(), "\n";
var_dump(count(scandir('/proc/self/fd')) - $before);
?>
--EXPECT--
open "images/none.txt": not found
int(0)
