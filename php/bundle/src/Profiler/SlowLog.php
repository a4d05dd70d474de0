<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Profiler;

use Psr\Log\LoggerInterface;

/**
 * Logs what took long.
 */
final class SlowLog
{
    /**
     * @param float $threshold in milliseconds
     */
    public function __construct(private readonly float $threshold, private readonly ?LoggerInterface $logger = null)
    {
    }

    public function ended(Call $call): void
    {
        if ($this->logger === null || $call->milliseconds() < $this->threshold) {
            return;
        }
        try {
            $this->logger->warning('ezdfs: {operation} "{id}" took {milliseconds} ms', [
                'operation' => $call->method,
                'id' => $call->id,
                'milliseconds' => round($call->milliseconds(), 3),
                'outcome' => $call->outcome(),
                'table' => $call->tally->table,
                'root' => $call->tally->root,
            ]);
        } catch (\Throwable) {
            // The operation is done, and so it must not look failed because the log's disk is full.
        }
    }
}
