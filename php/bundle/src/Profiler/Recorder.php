<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Profiler;

use Ezdfs\Exception\EzdfsException;
use Ezdfs\Store;

/**
 * Keeps the calls of a request for the profiler.
 */
final class Recorder
{
    /** A command in debug mode may make millions of calls: all are counted, this many listed. */
    private const KEPT = 1000;

    /** @var list<array{store: Store, tally: Tally, lookups: array<string, int>}> */
    private array $stores = [];

    /** @var list<Call> */
    private array $calls = [];

    public function watch(Store $store, Tally $tally): void
    {
        $this->stores[] = ['store' => $store, 'tally' => $tally, 'lookups' => self::lookups($store)];
    }

    public function add(Call $call): void
    {
        if (\count($this->calls) < self::KEPT) {
            $this->calls[] = $call;
        }
    }

    /** A process that serves many requests begins the next one. */
    public function reset(): void
    {
        $this->calls = [];
        foreach ($this->stores as $key => ['store' => $store, 'tally' => $tally]) {
            $tally->reset();
            $this->stores[$key]['lookups'] = self::lookups($store);
        }
    }

    /**
     * What each store has done in this request; `hits` says where its look-ups were answered.
     *
     * @return list<array<string, mixed>>
     */
    public function stores(): array
    {
        $stores = [];
        foreach ($this->stores as ['store' => $store, 'tally' => $tally, 'lookups' => $before]) {
            $hits = [];
            foreach (self::lookups($store) as $source => $count) {
                // A store counts for its process, which may have had requests before this one.
                $hits[$source] = $count - ($before[$source] ?? 0);
            }
            $stores[] = $tally->toArray() + ['hits' => array_filter($hits)];
        }

        return $stores;
    }

    /**
     * The first calls, in their order; `store` is a key of stores().
     *
     * @return list<array{store: int, method: string, id: string, milliseconds: float, outcome: string}>
     */
    public function calls(): array
    {
        $tallies = array_column($this->stores, 'tally');

        return array_map(static fn (Call $call): array => [
            'store' => array_search($call->tally, $tallies, true),
            'method' => $call->method,
            'id' => $call->id,
            'milliseconds' => $call->milliseconds(),
            'outcome' => $call->outcome(),
        ], $this->calls);
    }

    /**
     * @return array<string, int>
     */
    private static function lookups(Store $store): array
    {
        try {
            return $store->stats()['lookups'] ?? [];
        } catch (EzdfsException) {
            // What only looks on is not what a page fails for.
            return [];
        }
    }
}
