<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

/**
 * A binarydata handler, but for what names a kernel's classes.
 *
 * Arguments have no types, because the older interfaces have none.
 */
trait BinarydataMethods
{
    use Translation;

    /**
     * @param object $uriDecorator the kernel's, for URIs
     */
    public function __construct(
        private readonly Kernel $kernel,
        private readonly StoreSource $source,
        private readonly object $uriDecorator,
    ) {
    }

    /** Where this handler's bytes are. */
    public function source(): StoreSource
    {
        return $this->source;
    }

    public function delete($binaryFileId): void
    {
        $id = (string) $binaryFileId;
        $this->find($id, fn () => $this->source->store()->deleteData(self::path($id)));
    }

    public function getContents($spiBinaryFileId): string
    {
        $id = (string) $spiBinaryFileId;

        return $this->find($id, fn () => $this->source->store()->readData(self::path($id)));
    }

    public function getResource($spiBinaryFileId): mixed
    {
        $id = (string) $spiBinaryFileId;

        return $this->find($id, fn () => $this->source->store()->openData(self::path($id)));
    }

    public function getUri($spiBinaryFileId): string
    {
        return $this->uriDecorator->decorate((string) $spiBinaryFileId);
    }

    public function getIdFromUri($binaryFileUri): string
    {
        return $this->uriDecorator->undecorate((string) $binaryFileUri);
    }

    public function deleteDirectory($path): void
    {
        $path = self::path(rtrim((string) $path, '/'));
        $this->change(fn () => $this->source->store()->deleteDataDirectory($path));
    }

    /** What an id is on the mount: Flysystem, which the kernels write by, knows one kind of slash. */
    private static function path(string $id): string
    {
        return strtr($id, '\\', '/');
    }

    private function createFile(object $createStruct): void
    {
        $struct = new CreateStruct($createStruct, $this->kernel);
        [$id, $declared, $stream] = [$struct->id(), $struct->size(), $struct->rewound()];
        $this->change(fn () => $this->source->store()->putData($id, $stream, $declared));
    }
}
