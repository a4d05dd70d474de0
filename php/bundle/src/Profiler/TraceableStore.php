<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Profiler;

use Ezdfs\Bundle\HttpCache\Purger;
use Ezdfs\FileInfo;
use Ezdfs\StoreInterface;

/**
 * A store whose calls are measured, and whose changes caches are told of. It
 * does what the store does and throws what the store throws.
 *
 * What is measured of a stream is its opening: it is PHP's own, and read
 * without the store.
 */
final class TraceableStore implements StoreInterface
{
    public function __construct(
        private readonly StoreInterface $store,
        private readonly Tally $tally,
        private readonly Tracer $tracer,
        private readonly ?Purger $purger = null,
    ) {
    }

    public function create(string $id, mixed $source, array $options = []): FileInfo
    {
        return $this->change('create', [$id], fn () => $this->store->create($id, $source, $options));
    }

    public function createFromString(string $id, string $contents, array $options = []): FileInfo
    {
        return $this->change('createFromString', [$id], fn () => $this->store->createFromString($id, $contents, $options));
    }

    public function load(string $id): FileInfo
    {
        return $this->call('load', $id, fn () => $this->store->load($id));
    }

    public function exists(string $id): bool
    {
        return $this->call('exists', $id, fn () => $this->store->exists($id));
    }

    public function mimeType(string $id): string
    {
        return $this->call('mimeType', $id, fn () => $this->store->mimeType($id));
    }

    public function read(string $id): string
    {
        return $this->call('read', $id, fn () => $this->store->read($id));
    }

    public function open(string $id): mixed
    {
        return $this->call('open', $id, fn () => $this->store->open($id));
    }

    public function delete(string $id): void
    {
        $this->change('delete', [$id], fn () => $this->store->delete($id));
    }

    public function deleteDirectory(string $dir): int
    {
        return $this->empty('deleteDirectory', $dir, fn () => $this->store->deleteDirectory($dir));
    }

    public function rename(string $from, string $to): FileInfo
    {
        return $this->change('rename', [$from, $to], fn () => $this->store->rename($from, $to));
    }

    public function uri(string $id): string
    {
        return $this->call('uri', $id, fn () => $this->store->uri($id));
    }

    public function idFromUri(string $uri): string
    {
        return $this->call('idFromUri', $uri, fn () => $this->store->idFromUri($uri));
    }

    public function list(string $dir = ''): \Iterator
    {
        $call = $this->tracer->begin($this->tally, 'list', $dir);
        try {
            $files = $call->measure(fn () => $this->store->list($dir));
        } catch (\Throwable $e) {
            $this->tracer->end($call);
            throw $e;
        }

        // Its loop is still to come.
        return new TraceableIterator($files, $call, $this->tracer);
    }

    public function checkSchema(): void
    {
        $this->call('checkSchema', '', fn () => $this->store->checkSchema());
    }

    public function createSchema(): void
    {
        $this->call('createSchema', '', fn () => $this->store->createSchema());
    }

    public function putMetadata(string $id, int $size, \DateTimeInterface $mtime, ?string $mimeType = null): FileInfo
    {
        return $this->change('putMetadata', [$id], fn () => $this->store->putMetadata($id, $size, $mtime, $mimeType));
    }

    public function deleteMetadata(string $id): void
    {
        $this->change('deleteMetadata', [$id], fn () => $this->store->deleteMetadata($id));
    }

    public function deleteMetadataDirectory(string $dir): int
    {
        return $this->empty('deleteMetadataDirectory', $dir, fn () => $this->store->deleteMetadataDirectory($dir));
    }

    public function putData(string $id, mixed $source, ?int $size = null): int
    {
        return $this->change('putData', [$id], fn () => $this->store->putData($id, $source, $size));
    }

    public function readData(string $id): string
    {
        return $this->call('readData', $id, fn () => $this->store->readData($id));
    }

    public function openData(string $id): mixed
    {
        return $this->call('openData', $id, fn () => $this->store->openData($id));
    }

    public function deleteData(string $id): void
    {
        $this->change('deleteData', [$id], fn () => $this->store->deleteData($id));
    }

    public function deleteDataDirectory(string $dir): void
    {
        $this->empty('deleteDataDirectory', $dir, fn () => $this->store->deleteDataDirectory($dir));
    }

    /** @param list<string> $ids */
    private function change(string $method, array $ids, \Closure $work): mixed
    {
        try {
            return $this->call($method, implode(' → ', $ids), $work);
        } finally {
            // After a failure, too: what came of it may be unknown.
            $this->purger?->purge($this->store, $ids);
        }
    }

    private function empty(string $method, string $dir, \Closure $work): mixed
    {
        $ids = $this->purger?->beneath($this->store, $dir) ?? [];
        try {
            return $this->call($method, $dir, $work);
        } finally {
            $this->purger?->purge($this->store, $ids);
        }
    }

    private function call(string $method, string $id, \Closure $work): mixed
    {
        $call = $this->tracer->begin($this->tally, $method, $id);
        try {
            return $call->measure($work);
        } finally {
            $this->tracer->end($call);
        }
    }
}
