<?php

// Operations in a long-running process, contestants in turn: loops.php ROUNDS [OPERATION]...
//
// Prints {operation: {contestant: [what one operation costs, for each round]}}.

declare(strict_types=1);

require __DIR__ . '/Plain.php';
require __DIR__ . '/stores.php';

const FILES = 1000;
const PLAIN = 'PDO and file functions';
const EZDFS = 'ezdfs';
const REPLICA = 'ezdfs with a replica';
const UNCACHED = 'ezdfs, cache_ttl 0';
const PICTURE = 20 * 1024;

$rounds = (int) $argv[1];
$plain = Plain::connect();
$status = new PDO(getenv('BENCH_PDO'), 'ezdfs', 'secret');
$who = [PLAIN => $plain, EZDFS => store(), REPLICA => store(['replica' => getenv('BENCH_REPLICA')]), UNCACHED => store(['cache_ttl' => '0'])];
$local = tempnam(sys_get_temp_dir(), 'picture');
file_put_contents($local, "\xff\xd8\xff\xe0\0\x10JFIF\0" . random_bytes(PICTURE - 10));
register_shutdown_function('unlink', $local);

function ids(string $dir, bool $folders = false): array
{
    $path = $folders ? fn (int $i) => "images/$dir/$i/picture.jpg" : fn (int $i) => "images/$dir/$i.jpg";

    return array_map($path, range(1, FILES));
}

function create(object $store, array $ids): void
{
    global $local;
    // PHP remembers of a directory that it is there, also when the extension has removed it.
    clearstatcache();
    foreach ($ids as $id) {
        $source = fopen($local, 'rb');
        $store instanceof Plain
            ? $store->create($id, $source, 'image/jpeg')
            : $store->create($id, $source, ['mime_type' => 'image/jpeg']);
        fclose($source);
    }
}

/** Microseconds of CPU time that the threads of a process have had. */
function cpu(string $process): float
{
    $of = fn (string $file) => (int) @file_get_contents($file);

    return array_sum(array_map($of, glob("/proc/$process/task/*/schedstat"))) / 1000;
}

/** What has been spent so far; asking costs one statement. */
function spent(): array
{
    global $status;
    $counters = $status->query(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Questions', 'Handler_write', 'Handler_update', 'Handler_delete')"
    )->fetchAll(PDO::FETCH_KEY_PAIR);
    $statements = $counters['Questions'];
    unset($counters['Questions']);

    return [
        'statements' => (int) $statements,
        'rows' => array_sum($counters),
        'waits' => getrusage()['ru_nvcsw'],
        'cpu' => cpu('self'),
        'database' => cpu(getenv('BENCH_DATABASE')),
    ];
}

/** What one of $count operations costs: microseconds, and of what. */
function clocked(callable $work, int $count): array
{
    $before = spent();
    $start = hrtime(true);
    $work();
    $elapsed = (hrtime(true) - $start) / 1000;
    $after = spent();
    $after['statements']--;
    $each = fn (int|float $after, int|float $before) => ($after - $before) / $count;

    return ['us' => $elapsed / $count] + array_combine(array_keys($after), array_map($each, $after, $before));
}

$kept = ids('_loop', true);
create($plain, $kept);
// Until the agent has heard of them.
sleep(1);
$each = fn (string $method) => function (object $store) use ($method, $kept): array {
    $loop = function () use ($store, $method, $kept): void {
        foreach ($kept as $id) {
            $store->$method($id);
        }
    };
    $loop();

    return clocked($loop, FILES);
};
$deletion = fn (bool $folders) => function (object $store) use ($plain, $folders): array {
    create($plain, ids('_gone', $folders));

    return clocked(fn () => $store->deleteDirectory('images/_gone'), 1);
};

$operations = [
    'load' => $each('load'),
    'exists' => $each('exists'),
    'read' => $each('read'),
    'create' => function (object $store) use ($plain): array {
        $ids = ids('_new');
        $time = clocked(fn () => create($store, $ids), FILES);
        $plain->deleteDirectory('images/_new');

        return $time;
    },
    'overwrite' => fn (object $store) => clocked(fn () => create($store, $kept), FILES),
    'delete' => function (object $store) use ($plain): array {
        $ids = array_slice(ids('_old'), 0, 200);
        create($plain, $ids);

        return clocked(fn () => array_map($store->delete(...), $ids), count($ids));
    },
    'deleteDirectory, 1,000 folders' => $deletion(true),
    'deleteDirectory, one folder' => $deletion(false),
];

$wanted = array_slice($argv, 2);
$operations = $wanted ? array_intersect_key($operations, array_flip($wanted)) : $operations;
$times = [];
foreach ($operations as $name => $operation) {
    fprintf(STDERR, "%s\n", $name);
    for ($round = 0; $round < $rounds; $round++) {
        foreach ($who as $contestant => $store) {
            if (!in_array($contestant, [REPLICA, UNCACHED], true) || in_array($name, ['load', 'exists', 'read'], true)) {
                $times[$name][$contestant][] = $operation($store);
            }
        }
    }
}
$plain->deleteDirectory('images/_loop');
echo json_encode($times), "\n";
