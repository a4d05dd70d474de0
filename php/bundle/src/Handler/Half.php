<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

/**
 * A handler of ezdfs's.
 */
interface Half
{
    public function source(): StoreSource;
}
