<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

/**
 * What the IO service has as its metadata handler: the configured one, or one
 * half of a pair.
 *
 * The service asks for data first when it creates, for metadata first when it
 * deletes.
 */
trait PairedMetadataMethods
{
    use Translation;

    /**
     * @param object $half a metadata handler on the pair's store
     */
    public function __construct(
        private readonly Kernel $kernel,
        private readonly Pair $pair,
        private readonly object $half,
    ) {
    }

    private function handler(): object
    {
        return $this->pair->isOneStore() ? $this->half : $this->pair->metadataHandler();
    }

    public function delete($binaryFileId): void
    {
        $id = (string) $binaryFileId;
        if (!$this->pair->isOneStore($id)) {
            $this->handler()->delete($binaryFileId);

            return;
        }
        $this->find($id, fn () => $this->pair->store()->delete($id));
        $this->pair->keep('delete', $id);
    }

    public function exists($spiBinaryFileId): bool
    {
        return $this->handler()->exists($spiBinaryFileId);
    }

    public function getMimeType($spiBinaryFileId): string
    {
        return $this->handler()->getMimeType($spiBinaryFileId);
    }

    public function deleteDirectory($path): void
    {
        $path = rtrim((string) $path, '/');
        if (!$this->pair->isOneStore($path)) {
            $this->handler()->deleteDirectory($path);

            return;
        }
        $this->change(fn () => $this->pair->store()->deleteDirectory($path));
        $this->pair->keep('deleteDirectory', $path);
    }
}
