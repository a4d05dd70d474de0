--TEST--
Ezdfs\Store::create() refuses what is no readable stream
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
thrown(fn () => $store->create('images/a', 'text'));
thrown(fn () => $store->create('images/a', null));
$closed = fopen('php://memory', 'rb');
fclose($closed);
thrown(fn () => $store->create('images/a', $closed));
thrown(fn () => $store->create('images/a', stream_context_create()));
thrown(fn () => $store->create('images/a', fopen(test_file(''), 'wb')));
[$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
stream_set_blocking($near, false);
thrown(fn () => $store->create('images/a', $near));
var_dump(test_tree());
?>
--EXPECT--
TypeError: Ezdfs\Store::create(): Argument #2 ($source) must be of type SplFileObject|resource, string given
TypeError: Ezdfs\Store::create(): Argument #2 ($source) must be of type SplFileObject|resource, null given
TypeError: Ezdfs\Store::create(): supplied resource is not a valid stream resource
TypeError: Ezdfs\Store::create(): supplied resource is not a valid stream resource
Ezdfs\Exception\InvalidInputException: read "source": the stream is not open for reading
Ezdfs\Exception\InvalidInputException: store "images/a": cannot read the source: the stream gives nothing and is not at its end
array(0) {
}
