<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

/**
 * What the IO service has as its binarydata handler: the configured one, or
 * one half of a pair.
 */
trait PairedBinarydataMethods
{
    use Translation;

    /**
     * @param object $half a binarydata handler on the pair's store
     */
    public function __construct(
        private readonly Kernel $kernel,
        private readonly Pair $pair,
        private readonly object $half,
    ) {
    }

    private function handler(): object
    {
        return $this->pair->isOneStore() ? $this->half : $this->pair->binarydataHandler();
    }

    public function delete($binaryFileId): void
    {
        $id = (string) $binaryFileId;
        // Once more would hit a file that another node has created by now.
        if ($this->pair->take('delete', $id) !== null) {
            return;
        }
        if (!$this->find($id, fn () => $this->pair->isFileOfAnother($id))) {
            $this->handler()->delete($binaryFileId);
        }
    }

    public function getContents($spiBinaryFileId): string
    {
        $id = (string) $spiBinaryFileId;
        if (!$this->pair->isOneStore($id)) {
            return $this->handler()->getContents($spiBinaryFileId);
        }

        return $this->find($id, fn () => $this->pair->store()->read($id));
    }

    public function getResource($spiBinaryFileId): mixed
    {
        $id = (string) $spiBinaryFileId;
        if (!$this->pair->isOneStore($id)) {
            return $this->handler()->getResource($spiBinaryFileId);
        }

        return $this->find($id, fn () => $this->pair->store()->open($id));
    }

    public function getUri($spiBinaryFileId): string
    {
        return $this->handler()->getUri($spiBinaryFileId);
    }

    public function getIdFromUri($binaryFileUri): string
    {
        return $this->handler()->getIdFromUri($binaryFileUri);
    }

    public function deleteDirectory($path): void
    {
        if ($this->pair->take('deleteDirectory', rtrim((string) $path, '/')) === null) {
            $this->handler()->deleteDirectory($path);
        }
    }

    private function createBoth(object $createStruct): void
    {
        $struct = new CreateStruct($createStruct, $this->kernel);
        [$id, $stream] = [$struct->id(), $struct->rewound()];
        $options = ['size' => $struct->size(), 'mtime' => $struct->mtime()];
        $info = $this->change(fn () => $this->pair->store()->create($id, $stream, $options));
        $this->pair->keep('create', $createStruct, $info);
    }
}
