--TEST--
Ezdfs\Store::create() refuses options that cannot be
--FILE--
<?php
require __DIR__ . '/store.inc';

class Broken extends DateTime
{
    public function getTimestamp(): int { throw new DomainException('mine'); }
}

$store = test_store();
foreach ([
    ['mimetype' => 'image/png'],
    ['size' => 4],
    ['size' => 2],
    ['size' => -1],
    ['size' => '3'],
    ['mtime' => 0],
    ['mtime' => 'now'],
    ['mtime' => new stdClass()],
    ['mtime' => new Broken()],
    ['mime_type' => "a/b\r\nX: y"],
    ['mime_type' => 5],
    ['mime_type' => "image/\xff"],
    ['image/png'],
] as $options) {
    thrown(fn () => $store->createFromString('images/a', 'abc', $options));
}
var_dump(test_tree());
?>
--EXPECT--
Ezdfs\Exception\InvalidInputException: option "mimetype": unknown; known are size, mime_type, mtime
Ezdfs\Exception\InvalidInputException: store "images/a": 4 bytes were declared, the source has 3
Ezdfs\Exception\InvalidInputException: store "images/a": 2 bytes were declared, the source has at least 3
Ezdfs\Exception\InvalidInputException: option "size": must not be negative
Ezdfs\Exception\InvalidInputException: option "size": must be an integer
Ezdfs\Exception\InvalidInputException: store "images/a": mtime 0 is outside 1 to 2147483647; the row would be invisible
Ezdfs\Exception\InvalidInputException: option "mtime": must be an integer or a DateTimeInterface
Ezdfs\Exception\InvalidInputException: option "mtime": must be an integer or a DateTimeInterface
DomainException: mine
Ezdfs\Exception\InvalidInputException: mime_type "a/b\r\nX: y": not a MIME type of at most 255 bytes such as image/jpeg
Ezdfs\Exception\InvalidInputException: option "mime_type": must be a string
Ezdfs\Exception\InvalidInputException: option "mime_type": is not UTF-8
Ezdfs\Exception\InvalidInputException: option "0": unknown; known are size, mime_type, mtime
array(0) {
}
