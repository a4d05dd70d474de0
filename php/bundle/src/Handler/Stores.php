<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

use Ezdfs\Bundle\ExtensionCheck;
use Ezdfs\Store;

/**
 * The stores of a request, by their options.
 */
final class Stores
{
    /**
     * A request must see what the request before it wrote, on whichever node
     * that was. Rows kept by one PHP worker would not show it.
     */
    private const DEFAULTS = ['cache_size' => '0'];

    /** @var array<string, Store> */
    private array $stores = [];

    /**
     * @param array<string, scalar> $options
     */
    public function get(#[\SensitiveParameter] array $options): Store
    {
        $options += self::DEFAULTS;

        return $this->stores[serialize($options)] ??= $this->make($options);
    }

    private function make(#[\SensitiveParameter] array $options): Store
    {
        // The container may have been compiled by another PHP, the command line's.
        ExtensionCheck::requireLoaded();

        return new Store($options);
    }
}
