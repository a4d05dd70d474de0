<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Profiler;

/**
 * One call of a store: how long it took, and what came of it.
 *
 * A listing is one call that takes its time in parts, while the loop runs.
 */
final class Call
{
    private float $milliseconds = 0.0;

    /** @var class-string<\Throwable>|null */
    private ?string $exception = null;

    /**
     * @param string $id what it was called for: an id, a directory, a URI, or two ids
     */
    public function __construct(
        public readonly Tally $tally,
        public readonly string $method,
        public readonly string $id,
    ) {
        $tally->addCall();
    }

    /**
     * Does a part of the call, and measures it.
     *
     * @template T
     *
     * @param \Closure(): T $part
     *
     * @return T
     */
    public function measure(\Closure $part): mixed
    {
        $begin = hrtime(true);
        try {
            return $part();
        } catch (\Throwable $e) {
            $this->fail($e);
            throw $e;
        } finally {
            $this->spend((hrtime(true) - $begin) / 1e6);
        }
    }

    public function milliseconds(): float
    {
        return $this->milliseconds;
    }

    /** `ok`, or the class of the exception: its message may tell more than a profile should keep. */
    public function outcome(): string
    {
        return $this->exception ?? 'ok';
    }

    private function spend(float $milliseconds): void
    {
        $this->milliseconds += $milliseconds;
        $this->tally->addTime($milliseconds);
    }

    private function fail(\Throwable $e): void
    {
        // A loop may meet it again.
        if ($this->exception === null) {
            $this->tally->addFailure();
        }
        $this->exception = $e::class;
    }
}
