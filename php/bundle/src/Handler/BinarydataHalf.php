<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

use Ezdfs\Bundle\SettingResolver;
use Ezdfs\StoreInterface;

/**
 * The store of a binarydata handler: a directory on the mount, without a table.
 */
final class BinarydataHalf implements StoreSource
{
    /** A store must have a DSN; one that only moves bytes never connects. */
    private const NO_DSN = 'sqlite:/nonexistent';

    /**
     * @param array<string, mixed> $config what stands below `ezdfs:`
     */
    public function __construct(
        private readonly Stores $stores,
        private readonly SettingResolver $settings,
        private readonly array $config,
    ) {
    }

    public function options(): array
    {
        $options = [
            'root' => $this->settings->resolve($this->config['directory']),
            'file_mode' => $this->config['permissions']['files'] ?? null,
            'dir_mode' => $this->config['permissions']['directories'] ?? null,
        ];

        return array_filter($options, static fn ($value) => $value !== null) + $this->config['options'];
    }

    public function store(): StoreInterface
    {
        return $this->stores->get(['dsn' => self::NO_DSN] + $this->options());
    }
}
