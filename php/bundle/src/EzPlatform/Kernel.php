<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\EzPlatform;

use eZ\Publish\Core\Base\Exceptions\InvalidArgumentException;
use eZ\Publish\Core\IO\Exception\BinaryFileNotFoundException;
use eZ\Publish\Core\IO\Exception\IOException;
use eZ\Publish\SPI\IO\BinaryFile;
use Ezdfs\Bundle\Handler\Dates;
use Ezdfs\Bundle\Handler\Kernel as KernelInterface;
use Ezdfs\FileInfo;

final class Kernel implements KernelInterface
{
    use Dates;

    public function notFound(string $id, \Throwable $previous): \Throwable
    {
        return new BinaryFileNotFoundException($id, $previous);
    }

    public function failure(string $message, ?\Throwable $previous = null): \Throwable
    {
        return new IOException($message, $previous);
    }

    public function invalidArgument(string $argument, string $reason): \Throwable
    {
        return new InvalidArgumentException($argument, $reason);
    }

    public function binaryFile(FileInfo $info, ?\DateTimeInterface $given = null): BinaryFile
    {
        $file = new BinaryFile();
        $file->id = $info->id;
        $file->size = $info->size;
        $file->mtime = $this->mtime($info, $given);
        $file->mimeType = $info->mimeType;

        return $file;
    }
}
