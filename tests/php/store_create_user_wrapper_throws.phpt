--TEST--
An exception of a stream's PHP code goes through Ezdfs\Store::create(), which leaves nothing
--FILE--
<?php
require __DIR__ . '/store.inc';

class Wrapper
{
    public $context;
    public static $read;
    private int $turn = 0;

    public function stream_open($path, $mode) { return true; }
    public function stream_read($count) { return (self::$read)($this->turn++, $count); }
    public function stream_eof() { return $this->turn > 3; }
    public function stream_stat() { return []; }
}
stream_wrapper_register('test', 'Wrapper');

$store = test_store();
Wrapper::$read = fn ($turn) => $turn < 2 ? str_repeat('x', 8192) : throw new DomainException('mine');
thrown(fn () => $store->create('images/a', fopen('test://x', 'rb')));
thrown(fn () => $store->putData('images/a', fopen('test://x', 'rb')));
var_dump(test_tree(), $store->exists('images/a'));
?>
--EXPECT--
DomainException: mine
DomainException: mine
array(0) {
}
bool(false)
