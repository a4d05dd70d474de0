--TEST--
Ezdfs\Store::create() reads memory, temporary, filtered and piped streams
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$memory = fopen('php://memory', 'w+b');
fwrite($memory, 'memory');
fseek($memory, 3);
$temp = fopen('php://temp/maxmemory:100', 'w+b');
fwrite($temp, str_repeat('temp', 1000));
rewind($temp);
$filtered = fopen(test_file('filtered'), 'rb');
stream_filter_append($filtered, 'string.toupper');
$pipe = popen('printf piped', 'rb');
[$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
fwrite($far, 'socket');
fclose($far);
$written = fopen(test_file(''), 'w+b');
fwrite($written, 'written');
rewind($written);
$data = fopen('data:text/plain,data', 'rb');
foreach (compact('memory', 'temp', 'filtered', 'pipe', 'near', 'written', 'data') as $id => $stream) {
    $store->create($id, $stream);
    $bytes = $store->read($id);
    echo strlen($bytes), ' ', substr($bytes, 0, 10), "\n";
}
?>
--EXPECT--
3 ory
4000 temptempte
8 FILTERED
5 piped
6 socket
7 written
4 data
