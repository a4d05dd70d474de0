<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Profiler;

use Ezdfs\Bundle\HttpCache\Purger;
use Ezdfs\Store;

/**
 * Has stores watched, for whoever wants to know: the profiler, the log of
 * slow operations, HTTP caches.
 */
final class Tracer
{
    public function __construct(
        private readonly ?Recorder $recorder,
        private readonly ?SlowLog $slowLog,
        private readonly ?Purger $purger = null,
    ) {
    }

    /**
     * @param array<string, scalar> $options of the store
     */
    public function trace(Store $store, #[\SensitiveParameter] array $options): TraceableStore
    {
        $tally = Tally::of($options);
        $this->recorder?->watch($store, $tally);

        // A store of bytes alone does not know what URLs begin with; the other half tells.
        $purger = $tally->table === null ? null : $this->purger;

        return new TraceableStore($store, $tally, $this, $purger);
    }

    public function begin(Tally $tally, string $method, string $id): Call
    {
        $call = new Call($tally, $method, $id);
        // Before it ends: a listing ends when its loop does, which may be after the page is made.
        $this->recorder?->add($call);

        return $call;
    }

    public function end(Call $call): void
    {
        $this->slowLog?->ended($call);
    }
}
