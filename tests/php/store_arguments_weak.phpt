--TEST--
Without strict types arguments become what is declared, as with PHP's own functions
--FILE--
<?php
require __DIR__ . '/store.inc';

class Name
{
    public function __construct(private string $name) {}

    public function __toString(): string
    {
        return $this->name === '' ? throw new DomainException('no name') : $this->name;
    }
}

$store = test_store();
$given = 5;
$store->createFromString($given, 7.5);
echo $store->read('5'), ' ', gettype($given), "\n";
echo $store->createFromString(new Name('images/a'), true)->id, ' ', $store->read(new Name('images/a')), "\n";
echo $store->putMetadata('images/b', '12', new DateTime())->size, "\n";
echo $store->putMetadata('images/b', 13.0, new DateTime(), new Name('image/png'))->mimeType, "\n";
thrown(fn () => $store->putMetadata('images/b', 'many', new DateTime()));
thrown(fn () => $store->putMetadata('images/b', 1e30, new DateTime()));
thrown(fn () => $store->load([]));
thrown(fn () => $store->load(new stdClass()));
thrown(fn () => $store->load(new Name('')));
var_dump(count(iterator_to_array($store->list(null))));
thrown(fn () => $store->load(null));

set_error_handler(fn (int $level, string $message) => throw new ErrorException($message));
thrown(fn () => $store->exists(null));
set_error_handler(fn (int $level, string $message) => exit("$message, and the end\n"));
$store->exists(null);
?>
--EXPECTF--
7.5 integer
images/a 1
12
image/png
TypeError: Ezdfs\Store::putMetadata(): Argument #2 ($size) must be of type int, string given
TypeError: Ezdfs\Store::putMetadata(): Argument #2 ($size) must be of type int, float given
TypeError: Ezdfs\Store::load(): Argument #1 ($id) must be of type string, array given
TypeError: Ezdfs\Store::load(): Argument #1 ($id) must be of type string, stdClass given
DomainException: no name

Deprecated: Ezdfs\Store::list(): Passing null to parameter #1 ($dir) of type string is deprecated in %s on line %d
int(3)

Deprecated: Ezdfs\Store::load(): Passing null to parameter #1 ($id) of type string is deprecated in %s on line %d
Ezdfs\Exception\InvalidNameException: %s
ErrorException: Ezdfs\Store::exists(): Passing null to parameter #1 ($id) of type string is deprecated
Ezdfs\Store::exists(): Passing null to parameter #1 ($id) of type string is deprecated, and the end
