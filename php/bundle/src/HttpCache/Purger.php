<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\HttpCache;

use Ezdfs\StoreInterface;
use Psr\Log\LoggerInterface;

/**
 * Tells FOSHttpCache's cache manager what this process has changed. That one
 * tells the caches, when the response is out.
 *
 * For sites without an agent, which hears of all that anybody changes.
 */
final class Purger
{
    /** Of a directory that is deleted no more files are looked for: each is a request. */
    private const MOST = 1000;

    /**
     * @param object $cacheManager has invalidatePath()
     */
    public function __construct(private readonly object $cacheManager, private readonly ?LoggerInterface $logger = null)
    {
    }

    /**
     * Where the files are that a directory has.
     *
     * @return list<string>
     */
    public function beneath(StoreInterface $store, string $dir): array
    {
        $ids = [];
        try {
            foreach ($store->list($dir) as $info) {
                if (\count($ids) === self::MOST) {
                    $this->warn('ezdfs: "{id}" has more files than caches are told of', $dir);
                    break;
                }
                $ids[] = $info->id;
            }
        } catch (\Throwable $e) {
            // What is done next says the same, if it matters.
            $this->warn('ezdfs: caches are told of no file in "{id}": {reason}', $dir, $e);
        }

        return $ids;
    }

    /**
     * @param list<string> $ids
     */
    public function purge(StoreInterface $store, array $ids): void
    {
        foreach ($ids as $id) {
            try {
                $this->cacheManager->invalidatePath($store->uri($id));
            } catch (\Throwable $e) {
                // The file is stored, and so that must not look failed.
                $this->warn('ezdfs: caches are not told of "{id}": {reason}', $id, $e);
            }
        }
    }

    private function warn(string $message, string $id, ?\Throwable $reason = null): void
    {
        try {
            $this->logger?->warning($message, ['id' => $id, 'reason' => $reason?->getMessage()]);
        } catch (\Throwable) {
            // Neither must it where the log's disk is full.
        }
    }
}
