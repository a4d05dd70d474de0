--TEST--
Under strict types wrong arguments are refused in the words of PHP's own functions
--FILE--
<?php
declare(strict_types=1);
require __DIR__ . '/store.inc';

$store = test_store();
$none = fopen('php://memory', 'rb');
thrown(fn () => $store->load(5));
thrown(fn () => $store->load(null));
thrown(fn () => $store->load([]));
thrown(fn () => $store->load(new ArrayObject()));
thrown(fn () => $store->createFromString('a', 1.5));
thrown(fn () => $store->create('a', $none, 'options'));
thrown(fn () => $store->create('a', $none, null));
thrown(fn () => $store->create('a', 'text'));
thrown(fn () => $store->putMetadata('a', '1', new DateTime()));
thrown(fn () => $store->putMetadata('a', 1, new stdClass()));
thrown(fn () => $store->putMetadata('a', 1, 'now'));
thrown(fn () => $store->putMetadata('a', 1, new DateTime(), 5));
thrown(fn () => $store->list(null));
thrown(fn () => new Ezdfs\Store('mysql://u:hunter2@h/db'));
thrown(fn () => $store->__construct(test_options()));

thrown(fn () => $store->load());
thrown(fn () => $store->load('a', 'b'));
thrown(fn () => $store->create('a'));
thrown(fn () => $store->create('a', $none, [], 5));
thrown(fn () => $store->rename('a'));
thrown(fn () => $store->checkSchema(1));
thrown(fn () => $store->list('a', 'b'));
thrown(fn () => $store->list()->key(1));
thrown(fn () => new Ezdfs\Store());
thrown(fn () => $store->load(file: 'a'));

// What is not about types goes on to be the store's own.
thrown(fn () => $store->putMetadata('a', -1, new DateTime()));
thrown(fn () => $store->putMetadata(mtime: new DateTime('@5'), size: 1, id: '/'));
echo $store->createFromString(contents: 'x', id: 'images/named')->size, "\n";
?>
--EXPECT--
TypeError: Ezdfs\Store::load(): Argument #1 ($id) must be of type string, int given
TypeError: Ezdfs\Store::load(): Argument #1 ($id) must be of type string, null given
TypeError: Ezdfs\Store::load(): Argument #1 ($id) must be of type string, array given
TypeError: Ezdfs\Store::load(): Argument #1 ($id) must be of type string, ArrayObject given
TypeError: Ezdfs\Store::createFromString(): Argument #2 ($contents) must be of type string, float given
TypeError: Ezdfs\Store::create(): Argument #3 ($options) must be of type array, string given
TypeError: Ezdfs\Store::create(): Argument #3 ($options) must be of type array, null given
TypeError: Ezdfs\Store::create(): Argument #2 ($source) must be of type SplFileObject|resource, string given
TypeError: Ezdfs\Store::putMetadata(): Argument #2 ($size) must be of type int, string given
TypeError: Ezdfs\Store::putMetadata(): Argument #3 ($mtime) must be of type DateTimeInterface, stdClass given
TypeError: Ezdfs\Store::putMetadata(): Argument #3 ($mtime) must be of type DateTimeInterface, string given
TypeError: Ezdfs\Store::putMetadata(): Argument #4 ($mimeType) must be of type ?string, int given
TypeError: Ezdfs\Store::list(): Argument #1 ($dir) must be of type string, null given
TypeError: Ezdfs\Store::__construct(): Argument #1 ($options) must be of type array, string given
Error: Ezdfs\Store is constructed already
ArgumentCountError: Ezdfs\Store::load() expects exactly 1 argument, 0 given
ArgumentCountError: Ezdfs\Store::load() expects exactly 1 argument, 2 given
ArgumentCountError: Ezdfs\Store::create() expects at least 2 arguments, 1 given
ArgumentCountError: Ezdfs\Store::create() expects at most 3 arguments, 4 given
ArgumentCountError: Ezdfs\Store::rename() expects exactly 2 arguments, 1 given
ArgumentCountError: Ezdfs\Store::checkSchema() expects exactly 0 arguments, 1 given
ArgumentCountError: Ezdfs\Store::list() expects at most 1 argument, 2 given
ArgumentCountError: Ezdfs\FileIterator::key() expects exactly 0 arguments, 1 given
ArgumentCountError: Ezdfs\Store::__construct() expects exactly 1 argument, 0 given
Error: Unknown named parameter $file
Ezdfs\Exception\InvalidInputException: option "size": must not be negative
Ezdfs\Exception\InvalidNameException: id "/": begins with a slash
1
