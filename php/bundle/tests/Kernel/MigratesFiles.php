<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

/**
 * A file migrator: bytes from one handler to another, then metadata, each
 * with a struct that has nothing else.
 */
trait MigratesFiles
{
    /** @var array<string, object> */
    private array $handlers = [];

    public function __construct(private Registry $metadata, private Registry $binarydata)
    {
    }

    private function choose(string $fromMetadata, string $fromBinarydata, string $toMetadata, string $toBinarydata): void
    {
        $this->handlers = [
            'from' => $this->binarydata->getConfiguredHandler($fromBinarydata),
            'to' => $this->binarydata->getConfiguredHandler($toBinarydata),
            'fromMetadata' => $this->metadata->getConfiguredHandler($fromMetadata),
            'toMetadata' => $this->metadata->getConfiguredHandler($toMetadata),
        ];
    }

    protected function migrate(object $file): bool
    {
        ['from' => $from, 'to' => $to, 'fromMetadata' => $fromMetadata, 'toMetadata' => $toMetadata] = $this->handlers;
        if ($from !== $to) {
            $data = $this->createStruct();
            $data->id = $file->id;
            $data->setInputStream($from->getResource($file->id));
            $to->create($data);
        }
        if ($fromMetadata !== $toMetadata) {
            $metadata = $this->createStruct();
            [$metadata->id, $metadata->size, $metadata->mtime] = [$file->id, $file->size, $file->mtime];
            $metadata->mimeType = $fromMetadata->getMimeType($file->id);
            $toMetadata->create($metadata);
        }

        return true;
    }
}
