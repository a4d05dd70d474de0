--TEST--
An SplFileObject is a source from where it stands, and is at its end afterwards
--FILE--
<?php
require __DIR__ . '/store.inc';

class Unmade extends SplFileObject
{
    public function __construct() {}
}

$store = test_store();
$file = new SplFileObject(test_file("head\nmiddle\ntail\n"));
echo json_encode($file->fgets()), ' ', $file->ftell(), "\n";
echo $store->create('images/a', $file)->size, ' ', json_encode($store->read('images/a')), "\n";
var_dump($file->ftell(), $file->fgetc(), $file->eof());
$file->rewind();
echo $store->putData('images/b', $file), ' ', json_encode($store->readData('images/b')), "\n";
$file->fseek(5);
$store->create('images/a', $file, ['size' => 12]);
echo json_encode($store->read('images/a')), "\n";

$temporary = new SplTempFileObject(100);
$temporary->fwrite(str_repeat('0123456789', 2000));
$temporary->fseek(3);
echo $store->create('images/c', $temporary)->size, ' ', substr($store->read('images/c'), 0, 9), ' ', $temporary->ftell(), "\n";

// The object may go as soon as the call has begun.
echo $store->create('images/d', new SplFileObject(test_file('short-lived')))->size, "\n";

thrown(fn () => $store->create('images/e', new SplFileObject(test_file(''), 'wb')));
thrown(fn () => $store->create('images/e', new SplFileInfo(__FILE__)));
thrown(fn () => $store->create('images/e', new Unmade()));
thrown(fn () => $store->putData('images/e', new ArrayIterator([])));
var_dump(test_tree());
?>
--EXPECT--
"head\n" 5
12 "middle\ntail\n"
int(17)
bool(false)
bool(true)
17 "head\nmiddle\ntail\n"
"middle\ntail\n"
19997 345678901 20000
11
Ezdfs\Exception\InvalidInputException: read "source": the stream is not open for reading
TypeError: Ezdfs\Store::create(): Argument #2 ($source) must be of type SplFileObject|resource, SplFileInfo given
Error: Object not initialized
TypeError: Ezdfs\Store::putData(): Argument #2 ($source) must be of type SplFileObject|resource, ArrayIterator given
array(4) {
  [0]=>
  string(8) "images/a"
  [1]=>
  string(8) "images/b"
  [2]=>
  string(8) "images/c"
  [3]=>
  string(8) "images/d"
}
