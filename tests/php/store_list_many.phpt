--TEST--
Ezdfs\Store::list() crosses its batches in order
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$date = new DateTime();
for ($i = 0; $i < 1201; $i++) {
    $store->putMetadata(sprintf('images/%05d', $i), $i, $date);
}
$sizes = [];
foreach ($store->list('images') as $key => $info) {
    $sizes[$key] = $info->size;
}
var_dump($sizes === range(0, 1200));
?>
--EXPECT--
bool(true)
