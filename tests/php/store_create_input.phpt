--TEST--
Ezdfs\Store::create() reads php://input
--POST_RAW--
Content-Type: application/octet-stream
the body of the request
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->create('images/upload', fopen('php://input', 'rb'));
echo $store->read('images/upload'), "\n";
?>
--EXPECT--
the body of the request
