<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

final class ServiceDoor extends Door
{
    public function service(): object
    {
        return $this->site->ioService();
    }

    public function create(string $id, $source, ?int $size = null): object
    {
        return $this->service()->createBinaryFile(new ($this->core . '\Values\BinaryFileCreateStruct')([
            'id' => $id,
            'size' => $size ?? \strlen($source),
            'inputStream' => \is_string($source) ? self::stream($source) : $source,
            // As a client would lie in an upload.
            'mimeType' => 'text/html',
        ]));
    }

    /** A tolerant service answers with an object that says so where a file is missing. */
    public function load(string $id): object
    {
        $file = $this->service()->loadBinaryFile($id);
        if (is_a($file, $this->core . '\Values\MissingBinaryFile')) {
            throw new ($this->notFound())($id);
        }

        return $file;
    }

    public function exists(string $id): bool
    {
        return $this->service()->exists($id);
    }

    public function mimeType(string $id): ?string
    {
        return $this->service()->getMimeType($id);
    }

    public function contents(string $id): string
    {
        return $this->service()->getFileContents($this->file($id));
    }

    public function open(string $id)
    {
        return $this->service()->getFileInputStream($this->file($id));
    }

    public function delete(string $id): void
    {
        $known = \count($this->service()->log);
        $this->service()->deleteBinaryFile($this->file($id));
        if (\count($this->service()->log) > $known) {
            throw new ($this->notFound())($id);
        }
    }

    public function deleteDirectory(string $path): void
    {
        $this->service()->deleteDirectory($path);
    }

    /** As a field has it: its value, whatever is stored. */
    public function file(string $id): object
    {
        return new ($this->core . '\Values\BinaryFile')(['id' => $id, 'uri' => '/' . Site::PREFIX . "/$id"]);
    }
}
