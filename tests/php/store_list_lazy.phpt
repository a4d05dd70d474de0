--TEST--
Ezdfs\Store::list() fetches while the loop runs, and throws there
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$none = (new Ezdfs\Store(['table' => 'no_such_table'] + test_options()))->list('images');
echo get_class($none), ' ', var_export($none instanceof Iterator, true), "\n";
thrown(fn () => $none->rewind());

$list = $store->list();
$store->putMetadata('images/later', 1, new DateTime());
foreach ($list as $info) {
    echo $info->id, "\n";
}
var_dump($list->valid(), $list->current(), $list->key());
foreach ($list as $again) {
    echo $again->id, "\n";
}
$manual = $store->list();
echo $manual->current()->id, ' ', $manual->key(), "\n";
$manual->next();
var_dump($manual->valid());
thrown(fn () => new Ezdfs\FileIterator());
thrown(fn () => clone $manual);
?>
--EXPECTF--
Ezdfs\FileIterator true
Ezdfs\Exception\SchemaException: %s
images/later
bool(false)
NULL
int(1)
images/later
images/later 0
bool(false)
%s
Error: Trying to clone an uncloneable object of class Ezdfs\FileIterator
