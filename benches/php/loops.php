<?php

// Operations in a long-running process, contestants in turn: loops.php ROUNDS
//
// Prints {operation: {contestant: [microseconds of one operation, for each round]}}.

declare(strict_types=1);

require __DIR__ . '/Plain.php';
require __DIR__ . '/stores.php';

const FILES = 1000;
const PLAIN = 'PDO and file functions';
const EZDFS = 'ezdfs';
const UNCACHED = 'ezdfs, cache_ttl 0';
const PICTURE = 20 * 1024;

$rounds = (int) $argv[1];
$plain = Plain::connect();
$who = [PLAIN => $plain, EZDFS => store(), UNCACHED => store(['cache_ttl' => '0'])];
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

/** Microseconds of one of $count operations. */
function clocked(callable $work, int $count): float
{
    $start = hrtime(true);
    $work();

    return (hrtime(true) - $start) / 1000 / $count;
}

$kept = ids('_loop', true);
create($plain, $kept);
$each = fn (string $method) => function (object $store) use ($method, $kept): float {
    $loop = function () use ($store, $method, $kept): void {
        foreach ($kept as $id) {
            $store->$method($id);
        }
    };
    $loop();

    return clocked($loop, FILES);
};
$deletion = fn (bool $folders) => function (object $store) use ($plain, $folders): float {
    create($plain, ids('_gone', $folders));

    return clocked(fn () => $store->deleteDirectory('images/_gone'), 1);
};

$operations = [
    'load' => $each('load'),
    'exists' => $each('exists'),
    'read' => $each('read'),
    'create' => function (object $store) use ($plain): float {
        $ids = ids('_new');
        $time = clocked(fn () => create($store, $ids), FILES);
        $plain->deleteDirectory('images/_new');

        return $time;
    },
    'overwrite' => fn (object $store) => clocked(fn () => create($store, $kept), FILES),
    'delete' => function (object $store) use ($plain): float {
        $ids = array_slice(ids('_old'), 0, 200);
        create($plain, $ids);

        return clocked(fn () => array_map($store->delete(...), $ids), count($ids));
    },
    'deleteDirectory, 1,000 folders' => $deletion(true),
    'deleteDirectory, one folder' => $deletion(false),
];

$times = [];
foreach ($operations as $name => $operation) {
    fprintf(STDERR, "%s\n", $name);
    for ($round = 0; $round < $rounds; $round++) {
        foreach ($who as $contestant => $store) {
            if ($contestant !== UNCACHED || in_array($name, ['load', 'exists', 'read'], true)) {
                $times[$name][$contestant][] = $operation($store);
            }
        }
    }
}
$plain->deleteDirectory('images/_loop');
echo json_encode($times), "\n";
