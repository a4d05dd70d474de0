<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

final class HandlersDoor extends Door
{
    public function metadata(): object
    {
        return $this->site->handler('metadata');
    }

    public function data(): object
    {
        return $this->site->handler('binarydata');
    }

    /** A struct with these properties and no other, as the kernels' classes leave it. */
    public function bareStruct(array $properties): object
    {
        $struct = new ($this->spi . '\BinaryFileCreateStruct')();
        foreach ($properties as $name => $value) {
            $struct->$name = $value;
        }

        return $struct;
    }

    public function struct(string $id, $source, ?int $size = null): object
    {
        $struct = $this->bareStruct(['id' => $id]);
        $struct->size = $size ?? \strlen($source);
        $struct->mtime = new \DateTime();
        $struct->mimeType = 'text/html';
        $struct->setInputStream(\is_string($source) ? self::stream($source) : $source);

        return $struct;
    }

    public function create(string $id, $source, ?int $size = null): object
    {
        $struct = $this->struct($id, $source, $size);
        $this->data()->create($struct);

        return $this->metadata()->create($struct);
    }

    public function load(string $id): object
    {
        return $this->metadata()->load($id);
    }

    public function exists(string $id): bool
    {
        return $this->metadata()->exists($id);
    }

    public function mimeType(string $id): ?string
    {
        return $this->metadata()->getMimeType($id);
    }

    public function contents(string $id): string
    {
        return $this->data()->getContents($id);
    }

    public function open(string $id)
    {
        return $this->data()->getResource($id);
    }

    public function delete(string $id): void
    {
        try {
            $this->metadata()->delete($id);
        } finally {
            $this->data()->delete($id);
        }
    }

    public function deleteDirectory(string $path): void
    {
        $this->metadata()->deleteDirectory($path);
        $this->data()->deleteDirectory($path);
    }
}
