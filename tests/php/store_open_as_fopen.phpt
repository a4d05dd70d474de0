--TEST--
A stream of Ezdfs\Store::open() is in everything the one that fopen() makes of the same file
--EXTENSIONS--
posix
--FILE--
<?php
require __DIR__ . '/store.inc';
require __DIR__ . '/stream_calls.inc';

const OPERATIONS = 100000;
const OPERATIONS_OF_ONE_STREAM = 50;

$seed = (int) (getenv('EZDFS_TEST_SEED') ?: random_int(1, PHP_INT_MAX));
mt_srand($seed);
$store = test_store(['durability' => 'rename']);
$ids = [];
foreach (stream_contents() as $number => $contents) {
    $ids[] = $id = "images/$number";
    $store->createFromString($id, $contents);
}

$calls = stream_calls();
for ($done = 0, $left = 0; $done < OPERATIONS; $done++, $left--) {
    if ($left === 0) {
        $left = OPERATIONS_OF_ONE_STREAM;
        $id = $ids[array_rand($ids)];
        $plain = fopen(test_path($id), 'rb');
        $ours = mt_rand(0, 1) ? $store->open($id) : $store->openData($id);
        $history = [];
    }
    $name = array_rand($calls);
    $arguments = $calls[$name][0]();
    $history[] = $name . json_encode($arguments, JSON_PARTIAL_OUTPUT_ON_ERROR);
    $expected = stream_outcome($plain, $calls[$name][1], $arguments);
    $actual = stream_outcome($ours, $calls[$name][1], $arguments);
    if ($expected !== $actual) {
        echo "EZDFS_TEST_SEED=$seed, operation $done, $id: ", implode(' ', $history), "\n";
        echo 'fopen: ', substr(var_export($expected, true), 0, 2000), "\n";
        exit('ezdfs: ' . substr(var_export($actual, true), 0, 2000) . "\n");
    }
}
echo "no difference\n";
?>
--EXPECT--
no difference
