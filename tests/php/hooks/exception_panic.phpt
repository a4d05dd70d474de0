--TEST--
A Rust panic becomes an exception, and the process lives
--FILE--
<?php
require __DIR__ . '/../store.inc';

for ($i = 0; $i < 3; $i++) {
    thrown(fn () => ezdfs_test_panic());
    thrown(fn () => ezdfs_test_panic_unguarded());
}
$store = test_store();
$store->createFromString('images/a', 'still here');
echo $store->read('images/a'), "\n";
?>
--EXPECTF--
%AEzdfs\Exception\InternalException: test "ezdfs": panic: a test wants it
%AError: Rust panic: a test wants it
%Astill here
