<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Migration;

/**
 * The kernel's file migrator, but for files that it would copy onto themselves:
 * the kernel's handlers empty a file before they fill it, from the very file.
 *
 * Two names of one directory are not told by their configuration: it may be a
 * Flysystem adapter's, a link, another mount of the same share. So each file
 * is opened by both handlers, and is one file or two.
 */
trait FileMigratorMethods
{
    private ?object $from = null;
    private ?object $to = null;
    private string $names = '';

    /**
     * @param object $migrator           the kernel's
     * @param object $binarydataHandlers the kernel's registry
     */
    public function __construct(private readonly object $migrator, private readonly object $binarydataHandlers)
    {
    }

    private function choose(string $from, string $to): void
    {
        $this->from = $this->binarydataHandlers->getConfiguredHandler($from);
        $this->to = $this->binarydataHandlers->getConfiguredHandler($to);
        $this->names = "\"$from\" and \"$to\"";
    }

    private function requireTwoFiles(string $id): void
    {
        // The kernel leaves the bytes alone where the handler stays the same; composer.json excludes those that did not.
        if ($this->from === $this->to) {
            return;
        }
        $source = self::identity($this->from, $id);
        if ($source !== null && $source === self::identity($this->to, $id)) {
            throw new \LogicException(
                "ezdfs: the binarydata handlers $this->names lead to one and the same file, \"$id\": copying it onto "
                . 'itself would empty it. Handlers on one directory need no migration: choose the other in the '
                . 'configuration (io.binarydata_handler).'
            );
        }
    }

    /**
     * What tells a file from all others, on whichever mount of its share; null
     * where there is none, or no file system knows it.
     */
    private static function identity(object $handler, string $id): ?array
    {
        try {
            $stream = $handler->getResource($id);
        } catch (\Exception $e) {
            return is_a($e, self::NOT_FOUND) ? null : throw $e;
        }
        $status = \is_resource($stream) ? fstat($stream) : false;

        return $status && $status['ino'] > 0
            ? [$status['ino'], $status['size'], $status['mtime'], $status['ctime']]
            : null;
    }
}
