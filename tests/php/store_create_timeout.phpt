--TEST--
A request that runs out of time in the middle of Ezdfs\Store::create() leaves nothing
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
});
Wrapper::$read = function ($turn) {
    while ($turn === 2) {
    }
    return str_repeat('x', 8192);
};
set_time_limit(1);
$store->create('images/a', fopen('test://x', 'rb'));
echo "not reached\n";
?>
--EXPECTF--
Fatal error: Maximum execution time of 1 second exceeded in %s
array(0) {
}
bool(false)
