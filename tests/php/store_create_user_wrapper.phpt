--TEST--
Ezdfs\Store::create() reads the streams of PHP code, which may use the store
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
Wrapper::$read = function ($turn) use ($store) {
    $store->createFromString("images/inner$turn", "inner $turn");
    return "turn $turn ";
};
$store->create('images/outer', fopen('test://x', 'rb'));
echo $store->read('images/outer'), "\n", implode(' ', test_tree()), "\n";
?>
--EXPECT--
turn 0 turn 1 turn 2 turn 3 
images/inner0 images/inner1 images/inner2 images/inner3 images/outer
