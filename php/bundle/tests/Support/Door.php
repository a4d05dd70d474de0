<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

use Ezdfs\Bundle\Family;

/**
 * A way to the files: the two handlers, called as an IO service calls them, or
 * the IO service itself.
 */
abstract class Door
{
    protected string $core;
    protected string $spi;

    public function __construct(protected readonly Site $site)
    {
        $isIbexa = Family::installed() === Family::Ibexa;
        $this->core = $isIbexa ? 'Ibexa\Core\IO' : 'eZ\Publish\Core\IO';
        $this->spi = $isIbexa ? 'Ibexa\Contracts\Core\IO' : 'eZ\Publish\SPI\IO';
    }

    /** @param string|resource $source */
    abstract public function create(string $id, $source, ?int $size = null): object;

    abstract public function load(string $id): object;

    abstract public function exists(string $id): bool;

    abstract public function mimeType(string $id): ?string;

    abstract public function contents(string $id): string;

    /** @return resource */
    abstract public function open(string $id);

    abstract public function delete(string $id): void;

    abstract public function deleteDirectory(string $path): void;

    /** The class of the kernel's exception for a missing file. */
    public function notFound(): string
    {
        return $this->core . '\Exception\BinaryFileNotFoundException';
    }

    public function failure(): string
    {
        return $this->core . '\Exception\IOException';
    }

    /** The class of the kernel's exception for an argument that no caller may hand in. */
    public function invalidArgument(): string
    {
        return preg_replace('/IO$/', 'Base', $this->core) . '\Exceptions\InvalidArgumentException';
    }

    /** @return resource */
    public static function stream(string $contents)
    {
        $stream = fopen('php://temp', 'w+b');
        fwrite($stream, $contents);

        // Not rewound: the kernel leaves a stream at its end when it has sniffed.
        return $stream;
    }
}
