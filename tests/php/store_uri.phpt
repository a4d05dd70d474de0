--TEST--
Ezdfs\Store::uri() and idFromUri() follow url_prefix, which follows name_prefix
--FILE--
<?php
require __DIR__ . '/store.inc';

$id = 'images/a b+é.png';
foreach ([null, '', '/', 'storage', '/var/site/storage/', 'http://static.example.com/', '//cdn.example.com/x'] as $prefix) {
    $store = new Ezdfs\Store(['url_prefix' => $prefix] + test_options());
    $uri = $store->uri($id);
    echo $uri, ' ', var_export($store->idFromUri($uri) === $id, true), "\n";
}
?>
--EXPECT--
/var/site/storage/images/a b+é.png true
/images/a b+é.png true
/images/a b+é.png true
/storage/images/a b+é.png true
/var/site/storage/images/a b+é.png true
http://static.example.com/images/a b+é.png true
//cdn.example.com/x/images/a b+é.png true
