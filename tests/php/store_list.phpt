--TEST--
Ezdfs\Store::list() iterates over the live files below a directory, in the order of their names
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
foreach (['images/b', 'images/a/1', 'images-versioned/x', 'original/o', 'images/a/é'] as $id) {
    $store->putMetadata($id, 1, new DateTime('@1000'));
}
foreach ($store->list() as $key => $info) {
    echo $key, ' ', $info->id, ' ', $info->uri, "\n";
}
foreach (['images', 'images/', 'images/a', 'absent'] as $dir) {
    echo $dir, ': ', implode(' ', array_map(fn ($info) => $info->id, iterator_to_array($store->list($dir)))), "\n";
}
?>
--EXPECT--
0 images-versioned/x /var/site/storage/images-versioned/x
1 images/a/1 /var/site/storage/images/a/1
2 images/a/é /var/site/storage/images/a/é
3 images/b /var/site/storage/images/b
4 original/o /var/site/storage/original/o
images: images/a/1 images/a/é images/b
images/: images/a/1 images/a/é images/b
images/a: images/a/1 images/a/é
absent:
