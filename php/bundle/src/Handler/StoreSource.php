<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

use Ezdfs\StoreInterface;

/**
 * Knows which store a handler works on at the moment.
 */
interface StoreSource
{
    /**
     * The options for the store that the current siteaccess has.
     *
     * @return array<string, scalar>
     */
    public function options(): array;

    public function store(): StoreInterface;
}
