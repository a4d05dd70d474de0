<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

use Ezdfs\FileInfo;

/**
 * Makes the kernel's objects of ezdfs's.
 */
interface Kernel
{
    /** The exception for a file that is not there. It becomes a 404. */
    public function notFound(string $id, \Throwable $previous): \Throwable;

    /** The exception for everything else. */
    public function failure(string $message, ?\Throwable $previous = null): \Throwable;

    /** The exception for an argument that no caller may hand in. */
    public function invalidArgument(string $argument, string $reason): \Throwable;

    /**
     * @param \DateTimeInterface|null $given the date that the file was created with
     */
    public function binaryFile(FileInfo $info, ?\DateTimeInterface $given = null): object;
}
