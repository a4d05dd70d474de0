--TEST--
A store works on in parent and child after a fork
--SKIPIF--
<?php extension_loaded('pcntl') or die('skip needs pcntl'); ?>
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
foreach (['a', 'b', 'c'] as $name) {
    $store->createFromString("images/$name", $name);
}
$list = $store->list('images');
$list->rewind();
$pid = pcntl_fork();
if ($pid === 0) {
    $list->next();
    $store->createFromString('images/child', 'by the child');
    $ids = array_map(fn ($info) => $info->id, iterator_to_array($store->list('images')));
    exit($list->current()->id === 'images/b' && count($ids) >= 4 && $store->read('images/a') === 'a' ? 7 : 1);
}
for ($i = 0; $i < 50; $i++) {
    $store->createFromString('images/parent', "turn $i");
    $store->read('images/parent');
}
pcntl_waitpid($pid, $status);
echo pcntl_wexitstatus($status), ' ', $store->read('images/child'), ' ', $list->current()->id, "\n";
$children = [];
for ($i = 0; $i < 4; $i++) {
    $children[] = pcntl_fork();
    if (end($children) === 0) {
        $store->createFromString("images/child$i", "by child $i");
        exit(0);
    }
}
foreach ($children as $child) {
    pcntl_waitpid($child, $status);
    echo pcntl_wexitstatus($status);
}
echo "\n", $store->read('images/child3'), "\n";
?>
--EXPECT--
7 by the child images/a
0000
by child 3
