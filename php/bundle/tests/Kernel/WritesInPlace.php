<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

/**
 * A binarydata handler that writes as the kernels' do: it opens the file
 * itself, which empties it, and then fills it.
 */
trait WritesInPlace
{
    public function __construct(private string $directory)
    {
    }

    public function create($struct): void
    {
        $path = "$this->directory/$struct->id";
        @mkdir(\dirname($path), 0755, true);
        $file = fopen($path, 'w+b');
        stream_copy_to_stream($struct->getInputStream(), $file);
        fclose($file);
    }

    public function getResource($id): mixed
    {
        return @fopen("$this->directory/$id", 'rb') ?: throw $this->missing($id);
    }

    public function getContents($id): string
    {
        return stream_get_contents($this->getResource($id));
    }

    public function delete($id): void
    {
        unlink("$this->directory/$id");
    }

    public function deleteDirectory($path): void
    {
        rmdir("$this->directory/$path");
    }

    public function getUri($id): string
    {
        return "/$id";
    }

    public function getIdFromUri($uri): string
    {
        return ltrim($uri, '/');
    }
}
