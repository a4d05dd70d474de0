--TEST--
Ezdfs\Store::putMetadata() writes a row and no file
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$info = $store->putMetadata('images/a', 1 << 40, new DateTimeImmutable('2001-02-03 04:05:06 UTC'), 'image/png');
echo $info->size, ' ', $info->mtime->getTimestamp(), ' ', $info->mimeType, "\n";
echo $store->load('images/a')->size, ' ', count(test_tree()), "\n";
echo $store->putMetadata('images/a', 1, new DateTime(), null)->mimeType, "\n";
foreach (['misc', ''] as $word) {
    var_dump($store->putMetadata('images/a', 1, new DateTime(), $word)->mimeType, $store->mimeType('images/a'));
}
thrown(fn () => $store->putMetadata('images/a', 1, new DateTime(), "a/b\r\nc: d"));
thrown(fn () => $store->putMetadata('images/a', 1, new DateTime('1960-01-01')));
?>
--EXPECT--
1099511627776 981173106 image/png
1099511627776 0
application/octet-stream
string(4) "misc"
string(4) "misc"
string(0) ""
string(0) ""
Ezdfs\Exception\InvalidInputException: mime_type "a/b\r\nc: d": has control characters, or more than 255 bytes
Ezdfs\Exception\InvalidInputException: store "images/a": mtime -315619200 is outside 1 to 2147483647; the row would be invisible
