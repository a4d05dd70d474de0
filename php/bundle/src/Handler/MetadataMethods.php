<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

use Ezdfs\Exception\InvalidNameException;

/**
 * A metadata handler, but for what names a kernel's classes.
 *
 * Arguments have no types, because the older interfaces have none: a kernel
 * may hand in whatever it was handed.
 */
trait MetadataMethods
{
    use Translation;

    public function __construct(private readonly Kernel $kernel, private readonly StoreSource $source)
    {
    }

    /** Where this handler's rows are. */
    public function source(): StoreSource
    {
        return $this->source;
    }

    public function delete($binaryFileId): void
    {
        $id = (string) $binaryFileId;
        $this->find($id, fn () => $this->source->store()->deleteMetadata($id));
    }

    public function exists($spiBinaryFileId): bool
    {
        $id = (string) $spiBinaryFileId;

        return $this->change(function () use ($id): bool {
            try {
                return $this->source->store()->exists($id);
            } catch (InvalidNameException) {
                return false;
            }
        });
    }

    public function getMimeType($spiBinaryFileId): string
    {
        $id = (string) $spiBinaryFileId;

        return $this->find($id, fn () => $this->source->store()->mimeType($id));
    }

    public function deleteDirectory($path): void
    {
        $this->change(fn () => $this->source->store()->deleteMetadataDirectory(rtrim((string) $path, '/')));
    }

    private function createRow(object $createStruct): object
    {
        $struct = new CreateStruct($createStruct, $this->kernel);
        [$id, $size, $mtime] = [$struct->id(), $struct->sizeOfRow(), $struct->mtime()];
        $info = $this->change(fn () => $this->source->store()->putMetadata($id, $size, $mtime, $struct->mimeType()));

        return $this->kernel->binaryFile($info, $mtime);
    }

    private function loadRow(string $id): object
    {
        return $this->kernel->binaryFile($this->find($id, fn () => $this->source->store()->load($id)));
    }
}
