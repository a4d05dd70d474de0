--TEST--
Ids that no file can have are refused by all methods, named arguments are taken
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
foreach (['', '/a', 'a/', 'a//b', 'a/../b', "a\0b", "a\xff", 'a/.ezdfs-x', str_repeat('x', 256)] as $id) {
    try {
        $store->exists($id);
        echo "taken\n";
    } catch (Ezdfs\Exception\InvalidNameException $e) {
        echo $e->getMessage(), "\n";
    }
}
$date = new DateTime();
$null = fopen('php://memory', 'rb');
foreach ([
    fn () => $store->create('/', $null),
    fn () => $store->createFromString('/', ''),
    fn () => $store->load('/'),
    fn () => $store->mimeType('/'),
    fn () => $store->read('/'),
    fn () => $store->open('/'),
    fn () => $store->delete('/'),
    fn () => $store->deleteDirectory(''),
    fn () => $store->rename('/', 'a'),
    fn () => $store->rename('a', '/'),
    fn () => $store->uri('/'),
    fn () => $store->idFromUri("\xff"),
    fn () => $store->list('..'),
    fn () => $store->putMetadata('/', 1, $date),
    fn () => $store->deleteMetadata('/'),
    fn () => $store->deleteMetadataDirectory('/'),
    fn () => $store->putData('/', $null),
    fn () => $store->readData('/'),
    fn () => $store->openData('/'),
    fn () => $store->deleteData('/'),
    fn () => $store->deleteDataDirectory('/'),
] as $call) {
    try {
        $call();
        echo "taken\n";
    } catch (Ezdfs\Exception\InvalidNameException $e) {
        echo '.';
    }
}
echo "\n", $store->putMetadata(mtime: $date, size: 1, mimeType: 'a/b', id: 'a')->mimeType, "\n";
?>
--EXPECTF--
id "": empty
id "/a": begins with a slash
id "a/": ends with a slash
id "a//b": has an empty segment
id "a/../b": has a dot segment
id "a\0b": contains a NUL byte
id "a�": is not UTF-8
id "a/.ezdfs-x": names beginning with .ezdfs- are reserved
id "%s": has a segment longer than 255 bytes
.....................
a/b
