<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Profiler;

use Ezdfs\FileInfo;

/**
 * A listing of which each step is measured: batches are fetched while the
 * loop runs.
 *
 * @implements \Iterator<int, FileInfo>
 */
final class TraceableIterator implements \Iterator
{
    private bool $hasEnded = false;

    /**
     * @param \Iterator<int, FileInfo> $files
     */
    public function __construct(
        private readonly \Iterator $files,
        private readonly Call $call,
        private readonly Tracer $tracer,
    ) {
    }

    /** Many a loop is left before its end. */
    public function __destruct()
    {
        $this->end();
    }

    public function current(): mixed
    {
        return $this->step(fn () => $this->files->current());
    }

    public function key(): mixed
    {
        return $this->step(fn () => $this->files->key());
    }

    public function next(): void
    {
        $this->step(fn () => $this->files->next());
    }

    public function rewind(): void
    {
        $this->step(fn () => $this->files->rewind());
    }

    public function valid(): bool
    {
        $isValid = $this->step(fn () => $this->files->valid());
        if (!$isValid) {
            $this->end();
        }

        return $isValid;
    }

    private function step(\Closure $step): mixed
    {
        return $this->call->measure($step);
    }

    private function end(): void
    {
        if (!$this->hasEnded) {
            $this->hasEnded = true;
            $this->tracer->end($this->call);
        }
    }
}
