<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

/**
 * What of FOSHttpCache's cache manager is called.
 */
final class CacheManager
{
    /** @var list<string> */
    public array $paths = [];

    public bool $refuses = false;

    public function invalidatePath(string $path, array $headers = []): self
    {
        if ($this->refuses) {
            throw new \LogicException('HTTP cache does not support invalidating paths.');
        }
        $this->paths[] = $path;

        return $this;
    }
}
