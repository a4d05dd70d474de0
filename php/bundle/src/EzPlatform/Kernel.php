<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\EzPlatform;

use eZ\Publish\Core\IO\Exception\BinaryFileNotFoundException;
use eZ\Publish\Core\IO\Exception\IOException;
use eZ\Publish\SPI\IO\BinaryFile;
use Ezdfs\Bundle\Handler\Kernel as KernelInterface;
use Ezdfs\FileInfo;

final class Kernel implements KernelInterface
{
    public function notFound(string $id, \Throwable $previous): \Throwable
    {
        return new BinaryFileNotFoundException($id, $previous);
    }

    public function failure(string $message, ?\Throwable $previous = null): \Throwable
    {
        return new IOException($message, $previous);
    }

    public function binaryFile(FileInfo $info): BinaryFile
    {
        $file = new BinaryFile();
        $file->id = $info->id;
        $file->size = $info->size;
        // The kernel's value object takes no other kind of date.
        $file->mtime = \DateTime::createFromImmutable($info->mtime);
        $file->mimeType = $info->mimeType;

        return $file;
    }
}
