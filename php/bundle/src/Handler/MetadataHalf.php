<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

use Ezdfs\Bundle\Dsn;
use Ezdfs\StoreInterface;

/**
 * The store of a metadata handler: a table, without a mount.
 */
final class MetadataHalf implements StoreSource
{
    /** A store must have a root; one that only writes rows never looks there. */
    public const NO_ROOT = '/';

    /**
     * @param array<string, mixed> $config        what stands below `ezdfs:`
     * @param object               $nameDecorator the kernel's, for the table's names
     */
    public function __construct(
        private readonly Stores $stores,
        private readonly object $nameDecorator,
        private readonly array $config,
    ) {
    }

    public function options(): array
    {
        return [
            'dsn' => $this->config['dsn'] ?? Dsn::fromDoctrine($this->config['connection']->getParams()),
            'table' => $this->config['table'],
            // What the kernel puts before an id, it puts before no id, too.
            'name_prefix' => trim((string) $this->nameDecorator->decorate(''), '/'),
        ] + $this->config['options'];
    }

    public function store(): StoreInterface
    {
        return $this->stores->get(['root' => self::NO_ROOT] + $this->options());
    }
}
