--TEST--
Ezdfs\Store::create() takes type, time and size
--FILE--
<?php
require __DIR__ . '/store.inc';

class Calendar extends DateTime
{
    public function getTimestamp(): int { return 1000; }
}

$store = test_store();
$stream = fn () => fopen(test_file('abc'), 'rb');
$info = $store->create('images/a', $stream(), ['mime_type' => 'image/x-mine', 'size' => 3, 'mtime' => 1234567890]);
echo $info->mimeType, ' ', $info->mtime->format(DATE_ATOM), "\n";
foreach ([new DateTimeImmutable('2001-02-03 04:05:06 +02:00'), new Calendar(), 5] as $mtime) {
    echo $store->create('images/a', $stream(), ['mtime' => $mtime])->mtime->getTimestamp(), "\n";
}
$info = $store->create('images/a', $stream(), ['mime_type' => null, 'size' => null, 'mtime' => null]);
var_dump($info->mimeType, abs($info->mtime->getTimestamp() - time()) < 60);
$name = 'mime_type';
var_dump($store->createFromString('images/b', 'abc', [$name => 'text/css'])->mimeType);
?>
--EXPECT--
image/x-mine 2009-02-13T23:31:30+00:00
981165906
1000
5
string(10) "text/plain"
bool(true)
string(8) "text/css"
