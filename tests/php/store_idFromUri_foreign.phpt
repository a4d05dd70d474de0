--TEST--
Ezdfs\Store::idFromUri() refuses the URI of another store
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
thrown(fn () => $store->idFromUri('/var/other/storage/images/a.png'));
thrown(fn () => $store->idFromUri('/var/site/storage-x/images/a.png'));
thrown(fn () => $store->idFromUri('/var/site/storage/../a'));
?>
--EXPECT--
Ezdfs\Exception\InvalidNameException: uri "/var/other/storage/images/a.png": does not begin with the url_prefix
Ezdfs\Exception\InvalidNameException: uri "/var/site/storage-x/images/a.png": does not begin with the url_prefix
Ezdfs\Exception\InvalidNameException: id "../a": has a dot segment
