--TEST--
A fatal error in the middle of Ezdfs\Store::create() leaves nothing
--INI--
memory_limit=64M
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
register_shutdown_function(function () use ($store) {
    var_dump(test_tree(), $store->exists('images/a'));
    $store->createFromString('images/a', 'the process lives on');
    echo $store->read('images/a'), "\n";
});
Wrapper::$read = fn ($turn) => $turn < 2 ? str_repeat('x', 8192) : str_repeat('x', 1 << 30);
$store->create('images/a', fopen('test://x', 'rb'));
echo "not reached\n";
?>
--EXPECTF--
Fatal error: Allowed memory size of %d bytes exhausted%s
array(0) {
}
bool(false)
the process lives on
