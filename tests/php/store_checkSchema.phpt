--TEST--
Ezdfs\Store::checkSchema() and createSchema()
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = new Ezdfs\Store(test_options());
// SQLite's file comes with the schema; a server's database is there already.
touch(test_dir() . '/ezdfs.sqlite');
thrown(fn () => $store->checkSchema());
$store->createSchema();
$store->checkSchema();
$store->createSchema();
echo "fits\n";
?>
--EXPECTF--
Ezdfs\Exception\SchemaException: %s
fits
