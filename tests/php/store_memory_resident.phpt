--TEST--
A million operations in one process leave its resident memory as it was
--FILE--
<?php
require __DIR__ . '/store.inc';

const OPERATIONS = 1000000;
/** Less than two bytes for each operation. */
const GROWTH = 3 << 19;

function resident(): int
{
    return (int) explode(' ', file_get_contents('/proc/self/statm'))[1] * 4096;
}

/** Most operations ask for what the process remembers; every thousandth turn goes to database and mount. */
function turn(Ezdfs\Store $store, int $turn): int
{
    $id = 'images/' . $turn % 7;
    if ($turn % 1000 === 0) {
        $store->createFromString($id, str_repeat('x', 1000 + $turn % 5000));
        fread($store->open($id), 8000);
        $store->read($id);
        iterator_count($store->list('images'));
    }
    $info = $store->load($id);
    $store->exists($id);
    $store->mimeType($id);
    $store->idFromUri($store->uri($id));
    new Ezdfs\FileInfo($id, $info->size, $info->mtime, 'a/b', 'image', $info->uri);
    try {
        $store->load('images/none');
    } catch (Ezdfs\Exception\NotFoundException $e) {
    }
    try {
        $store->load([]);
    } catch (TypeError $e) {
    }
    new Ezdfs\Store(test_options());
    return 9 + 4 * (int) ($turn % 1000 === 0);
}

$store = test_store(['durability' => 'rename', 'cache_ttl' => '1h', 'cache_negative_ttl' => '1h']);
for ($id = 0; $id < 7; $id++) {
    $store->createFromString("images/$id", 'x');
}
for ($turn = 0; $turn < 10000; $turn++) {
    turn($store, $turn);
}
$before = resident();
for ($done = 0, $turn = 0; $done < OPERATIONS; $turn++) {
    $done += turn($store, $turn);
}
$growth = resident() - $before;
echo $growth < GROWTH ? 'flat' : "grown by $growth bytes", "\n";
?>
--EXPECT--
flat
