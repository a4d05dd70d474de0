<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Profiler;

use Ezdfs\Bundle\Handler\MetadataHalf;

/**
 * What the calls of one store have come to, and how that store is shown: by
 * its table and its root, never by its DSN.
 */
final class Tally
{
    private int $calls = 0;
    private int $failures = 0;
    private float $milliseconds = 0.0;

    /**
     * @param string|null $table null: it has none, it moves bytes alone
     * @param string|null $root  null: it has none, it writes rows alone
     */
    public function __construct(public readonly ?string $table, public readonly ?string $root)
    {
    }

    /**
     * @param array<string, scalar> $options of the store
     */
    public static function of(#[\SensitiveParameter] array $options): self
    {
        $root = $options['root'] ?? null;

        return new self($options['table'] ?? null, $root === MetadataHalf::NO_ROOT ? null : $root);
    }

    public function addCall(): void
    {
        ++$this->calls;
    }

    public function addFailure(): void
    {
        ++$this->failures;
    }

    public function addTime(float $milliseconds): void
    {
        $this->milliseconds += $milliseconds;
    }

    public function reset(): void
    {
        $this->calls = $this->failures = 0;
        $this->milliseconds = 0.0;
    }

    /**
     * @return array{table: ?string, root: ?string, calls: int, failures: int, milliseconds: float}
     */
    public function toArray(): array
    {
        return [
            'table' => $this->table,
            'root' => $this->root,
            'calls' => $this->calls,
            'failures' => $this->failures,
            'milliseconds' => $this->milliseconds,
        ];
    }
}
