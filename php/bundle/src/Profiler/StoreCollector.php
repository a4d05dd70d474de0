<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Profiler;

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\DataCollector\DataCollector;
use Symfony\Component\HttpKernel\DataCollector\LateDataCollectorInterface;

/**
 * What Symfony's profiler shows of the stores.
 *
 * Plain values alone are kept, because a profile is serialized.
 */
final class StoreCollector extends DataCollector implements LateDataCollectorInterface
{
    public const NAME = 'ezdfs';

    private const NOTHING = ['stores' => [], 'calls' => []];

    public function __construct(private readonly Recorder $recorder)
    {
        $this->data = self::NOTHING;
    }

    public function collect(Request $request, Response $response, ?\Throwable $exception = null): void
    {
        $this->lateCollect();
    }

    /** Once more when the response is sent: a streamed one opens its file only then. */
    public function lateCollect(): void
    {
        $this->data = ['stores' => $this->recorder->stores(), 'calls' => $this->recorder->calls()];
    }

    public function reset(): void
    {
        $this->data = self::NOTHING;
        $this->recorder->reset();
    }

    public function getName(): string
    {
        return self::NAME;
    }

    public function getCallCount(): int
    {
        return (int) $this->sum('calls');
    }

    public function getFailureCount(): int
    {
        return (int) $this->sum('failures');
    }

    public function getMilliseconds(): float
    {
        return (float) $this->sum('milliseconds');
    }

    /**
     * Look-ups of all stores, by where they were answered.
     *
     * @return array<string, int>
     */
    public function getHits(): array
    {
        $hits = [];
        foreach ($this->getStores() as $store) {
            foreach ($store['hits'] as $source => $count) {
                $hits[$source] = ($hits[$source] ?? 0) + $count;
            }
        }

        return $hits;
    }

    /** @return list<array<string, mixed>> */
    public function getStores(): array
    {
        return $this->data['stores'];
    }

    /** @return list<array<string, mixed>> not all of them, where there are very many */
    public function getCalls(): array
    {
        return $this->data['calls'];
    }

    private function sum(string $what): int|float
    {
        return array_sum(array_column($this->getStores(), $what));
    }
}
