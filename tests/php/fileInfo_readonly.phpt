--TEST--
Ezdfs\FileInfo has real, readonly properties
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$info = $store->createFromString('images/a', 'abc', ['mtime' => 1000]);
thrown(fn () => $info->size = 5);
thrown(fn () => $info->other = 5);
thrown(function () use ($info) { unset($info->id); });
thrown(fn () => new Ezdfs\FileInfo('images/a', 3));
thrown(fn () => $info->__construct('b', 3, $info->mtime, 'a/b', 'image', '/b'));
$own = new Ezdfs\FileInfo('images/a', 3, new DateTimeImmutable('@1000'), 'text/plain', 'image', '/var/site/storage/images/a');
var_dump($own == $info);
thrown(fn () => $own->size = 5);
var_dump($info == $store->load('images/a'), clone $info == $info, unserialize(serialize($info)) == $info);
echo json_encode($info, JSON_UNESCAPED_SLASHES), "\n";
var_dump((array) $info === get_object_vars($info), isset($info->uri), $info->mtime->getTimezone()->getName());
?>
--EXPECT--
Error: Cannot modify readonly property Ezdfs\FileInfo::$size
Error: Cannot create dynamic property Ezdfs\FileInfo::$other
Error: Cannot unset readonly property Ezdfs\FileInfo::$id
ArgumentCountError: Ezdfs\FileInfo::__construct() expects exactly 6 arguments, 2 given
Error: Cannot modify readonly property Ezdfs\FileInfo::$id
bool(true)
Error: Cannot modify readonly property Ezdfs\FileInfo::$size
bool(true)
bool(true)
bool(true)
{"id":"images/a","size":3,"mtime":{"date":"1970-01-01 00:16:40.000000","timezone_type":2,"timezone":"UTC"},"mimeType":"text/plain","scope":"image","uri":"/var/site/storage/images/a"}
bool(true)
bool(true)
string(3) "UTC"
