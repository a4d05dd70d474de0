--TEST--
An exception's operation is the method that was called, its message begins with what the store was at
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$memory = fn () => fopen('php://memory', 'rb');
$none = ['table' => 'none_' . getmypid()] + test_options();
foreach ([
    fn () => new Ezdfs\Store(['root' => 'relative']),
    fn () => $store->create('images/a', $memory(), ['size' => 5]),
    fn () => $store->createFromString('images/a', 'x', ['size' => 5]),
    fn () => $store->createFromString('images/a', 'x', ['sice' => 5]),
    fn () => $store->load('images/a'),
    fn () => $store->exists('..'),
    fn () => $store->mimeType('images/a'),
    fn () => $store->read('images/a'),
    fn () => $store->open('images/a'),
    fn () => $store->delete('images/a'),
    fn () => $store->deleteDirectory('..'),
    fn () => $store->rename('images/a', 'images/b'),
    fn () => $store->uri('..'),
    fn () => $store->idFromUri('/elsewhere'),
    fn () => $store->list('..'),
    fn () => iterator_to_array((new Ezdfs\Store($none))->list()),
    fn () => (new Ezdfs\Store($none))->checkSchema(),
    fn () => $store->putMetadata('images/a', 1, new DateTime('@0')),
    fn () => $store->deleteMetadata('images/a'),
    fn () => $store->deleteMetadataDirectory('..'),
    fn () => $store->putData('..', $memory()),
    fn () => $store->readData('images/a'),
    fn () => $store->openData('images/a'),
    fn () => $store->deleteData('..'),
    fn () => $store->deleteDataDirectory('..'),
] as $call) {
    try {
        $call();
        exit("nothing thrown\n");
    } catch (Ezdfs\Exception\EzdfsException $e) {
        $method = $e->getTrace()[0]['function'];
        $known = $method === $e->getOperation() || $e->getTrace()[0]['class'] === Ezdfs\FileIterator::class;
        echo $known ? '' : 'NOT ', $e->getOperation(), ' | ', explode(':', $e->getMessage())[0], "\n";
    }
}
?>
--EXPECTF--
__construct | option "root"
create | store "images/a"
createFromString | store "images/a"
createFromString | option "sice"
load | stat "images/a"
exists | id ".."
mimeType | stat "images/a"
read | open "images/a"
open | open "images/a"
delete | delete "images/a"
deleteDirectory | directory ".."
rename | open "images/a"
uri | id ".."
idFromUri | uri "/elsewhere"
list | directory ".."
list | table "none_%d"
checkSchema | table "none_%d"
putMetadata | store "images/a"
deleteMetadata | delete "images/a"
deleteMetadataDirectory | directory ".."
putData | id ".."
readData | %s
openData | %s
deleteData | id ".."
deleteDataDirectory | directory ".."
