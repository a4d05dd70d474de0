<?php
/*
 * Calls every method, and fails in every way, some times over: run under valgrind, where a byte
 * that is lost with each call adds up.
 */
require __DIR__ . '/store.inc';

// Under valgrind a handshake takes its time.
$patience = ['connect_timeout' => '60s', 'query_timeout' => '60s'];
$store = test_store(['durability' => 'rename'] + $patience);
for ($turn = 0; $turn < 5; $turn++) {
    $memory = fopen('php://memory', 'w+b');
    fwrite($memory, "turn $turn");
    rewind($memory);
    $info = $store->create('images/a', $memory, ['mtime' => new DateTimeImmutable(), 'size' => 6]);
    $plain = fopen(test_file('plain'), 'rb');
    $store->create('images/1/b', $plain, ['mime_type' => 'text/x-mine']);
    $store->createFromString('images/1/c', str_repeat('x', 20000));
    foreach (['load', 'exists', 'mimeType', 'read', 'uri', 'readData'] as $method) {
        $store->$method('images/a');
    }
    foreach (['open', 'openData'] as $method) {
        $stream = $store->$method('images/1/c');
        fseek($stream, 10000);
        stream_get_contents($stream);
    }
    stream_get_meta_data($stream);
    $store->create('images/1/f', new SplFileObject(test_file('of an object')));
    $store->createFromString(5, new class { public function __toString(): string { return 'text'; } });
    new Ezdfs\FileInfo('a', 1, $info->mtime, 'a/b', 'image', $info->uri);
    $store->idFromUri($info->uri);
    foreach ($store->list('images') as $key => $file) {
        $file->mtime->format('c');
    }
    $store->rename('images/a', 'images/d');
    $store->delete('images/d');
    rewind($plain);
    $store->putData('images/2/e', $plain);
    $store->putMetadata('images/2/e', 5, new DateTime(), 'a/b');
    $store->deleteMetadata('images/2/e');
    $store->deleteData('images/2/e');
    $store->deleteMetadataDirectory('images/2');
    $store->deleteDataDirectory('images/2');
    $store->deleteDirectory('images');
    $store->checkSchema();
    $store->stats();
    new Ezdfs\Store(test_options());

    foreach ([
        fn () => new Ezdfs\Store(['dsn' => 'nonsense']),
        fn () => new Ezdfs\Store(['unknown' => 1] + test_options()),
        fn () => $store->load('images/none'),
        fn () => $store->load('/'),
        fn () => $store->load([]),
        fn () => $store->load(),
        fn () => $store->load(new class { public function __toString(): string { throw new Exception(); } }),
        fn () => $store->create('a', new ArrayObject()),
        fn () => $store->__construct(test_options()),
        fn () => $info->__construct('a', 1, $info->mtime, 'a/b', 'image', '/a'),
        fn () => $store->create('a', 'text'),
        fn () => $store->createFromString('a', 'x', ['size' => 5]),
        fn () => $store->createFromString('a', 'x', ['mtime' => 'x']),
        fn () => $store->list('..'),
        fn () => (new Ezdfs\Store(['table' => 'none'] + $patience + test_options()))->exists('a'),
    ] as $call) {
        try {
            $call();
            exit("nothing thrown\n");
        } catch (Throwable $e) {
            $e->getMessage();
        }
    }
}
echo "done\n";
