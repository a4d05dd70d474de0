--TEST--
Ezdfs\Store::putData(), readData() and openData() see files and no rows
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$source = fopen(test_file('0123456789'), 'rb');
fseek($source, 4);
var_dump($store->putData('images/a', $source), $store->exists('images/a'));
var_dump($store->readData('images/a'), stream_get_contents($store->openData('images/a'), -1, 2));
thrown(fn () => $store->readData('images/b'));
thrown(fn () => $store->openData('images/b'));
thrown(fn () => $store->putData('images/a', 'text'));
thrown(fn () => $store->read('images/a'));
foreach (['' => 7, 'abc' => 7, 'abcdefghi' => 7, 'a' => -1] as $bytes => $size) {
    $source = fopen('php://memory', 'w+b');
    fwrite($source, $bytes);
    rewind($source);
    thrown(fn () => $store->putData('images/a', $source, $size));
}
var_dump($store->readData('images/a'));
?>
--EXPECTF--
int(6)
bool(false)
string(6) "456789"
string(4) "6789"
Ezdfs\Exception\NotFoundException: open "images/b": %s
Ezdfs\Exception\NotFoundException: open "images/b": %s
TypeError: Ezdfs\Store::putData(): Argument #2 ($source) must be of type SplFileObject|resource, string given
Ezdfs\Exception\NotFoundException: open "images/a": not found
Ezdfs\Exception\InvalidInputException: %s7 bytes were declared%s
Ezdfs\Exception\InvalidInputException: %s7 bytes were declared%s
Ezdfs\Exception\InvalidInputException: %s7 bytes were declared%s
Ezdfs\Exception\InvalidInputException: option "size": must not be negative
string(6) "456789"
