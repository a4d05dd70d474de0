<?php
/*
 * Processes that fork others and end, round after round: what a parent has opened is closed while its
 * children work on, and opened anew by somebody else. Arguments: DSN, root, how many rounds. Says how
 * many writes failed, and how many that were acknowledged are not there.
 */

const CHILDREN = 3;
/* Seconds. A process that takes longer is stuck. */
const PATIENCE = 20;

[, $dsn, $root, $rounds] = $argv;
$store = new Ezdfs\Store(['dsn' => $dsn, 'root' => $root, 'cache_ttl' => '0', 'cache_negative_ttl' => '0',
    'durability' => 'rename', 'query_timeout' => '30s', 'connect_timeout' => '30s']);
$log = "$root/acknowledged";

function put(string $id): void
{
    global $store, $log;
    $store->createFromString($id, $id);
    file_put_contents($log, "$id\n", FILE_APPEND);
}

function child(int $round, int $number): never
{
    global $root;
    pcntl_alarm(PATIENCE);
    put("images/$round/$number/early");
    while (!is_file("$root/images/" . ($round + 1) . '/parent')) {
        usleep(500);
    }
    put("images/$round/$number/late");
    exit(0);
}

function parent_of_some(int $round): never
{
    global $store;
    pcntl_alarm(PATIENCE);
    put("images/$round/parent");
    for ($i = 0; $i < CHILDREN; $i++) {
        if (pcntl_fork() === 0) {
            child($round, $i);
        }
    }
    for ($i = 0; $i < CHILDREN; $i++) {
        while (!$store->exists("images/$round/$i/early")) {
            usleep(500);
        }
    }
    exit(0);
}

// Everybody has the other end: who reads from it is told when the last has ended.
[$reader, $writer] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
for ($i = 0; $i < $rounds; $i++) {
    $child = pcntl_fork();
    if ($child === 0) {
        parent_of_some($i);
    }
    pcntl_waitpid($child, $status);
    if ($status !== 0) {
        break;
    }
}
mkdir("$root/images/$i");
touch("$root/images/$i/parent");
fclose($writer);
fread($reader, 1);

$acknowledged = file($log, FILE_IGNORE_NEW_LINES);
$lost = array_filter($acknowledged, fn (string $id) => !$store->exists($id));
echo $rounds * (1 + 2 * CHILDREN) - count($acknowledged), ' failed, ', count($lost), ' lost';
