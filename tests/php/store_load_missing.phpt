--TEST--
Ezdfs\Store::load() throws NotFoundException for an id that has no row
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
try {
    $store->load('images/missing.png');
} catch (Ezdfs\Exception\EzdfsException $e) {
    echo $e::class, "\n", $e->getMessage(), "\n";
    echo $e->getCode(), ' ', $e->getOperation(), ' ', $e->getSubject(), ' ', basename($e->getFile()), "\n";
    var_dump($e instanceof RuntimeException, $e->getPrevious(), count($e->getTrace()));
}
?>
--EXPECT--
Ezdfs\Exception\NotFoundException
stat "images/missing.png": not found
1 load images/missing.png store_load_missing.php
bool(true)
NULL
int(1)
