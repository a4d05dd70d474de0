<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

use Ezdfs\Bundle\ExtensionCheck;
use Ezdfs\Bundle\Profiler\Tracer;
use Ezdfs\Store;
use Ezdfs\StoreInterface;

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

    /** @var array<string, StoreInterface> */
    private array $stores = [];

    /**
     * @param Tracer|null $tracer null: nobody wants calls measured, and none is
     */
    public function __construct(private readonly ?Tracer $tracer = null)
    {
    }

    /**
     * @param array<string, scalar> $options
     */
    public function get(#[\SensitiveParameter] array $options): StoreInterface
    {
        $options += self::DEFAULTS;

        return $this->stores[serialize($options)] ??= $this->make($options);
    }

    private function make(#[\SensitiveParameter] array $options): StoreInterface
    {
        // The container may have been compiled by another PHP, the command line's.
        ExtensionCheck::requireLoaded();

        $store = new Store($options);

        return $this->tracer === null ? $store : $this->tracer->trace($store, $options);
    }
}
