--TEST--
Ezdfs\Store::mimeType()
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/a', 'abc', ['mime_type' => 'text/x-mine; charset=utf-8']);
echo $store->mimeType('images/a'), "\n";
thrown(fn () => $store->mimeType('images/b'));
?>
--EXPECT--
text/x-mine; charset=utf-8
Ezdfs\Exception\NotFoundException: stat "images/b": not found
