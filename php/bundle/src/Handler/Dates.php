<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

use Ezdfs\FileInfo;

/**
 * The dates of the kernels' objects.
 */
trait Dates
{
    /**
     * Of a file that is created the date that it was given, as the kernels
     * return it; of one that is loaded that of its row. Their value objects
     * take no other class.
     */
    private function mtime(FileInfo $info, ?\DateTimeInterface $given): \DateTime
    {
        $stored = $info->mtime->getTimestamp();
        if ($given === null) {
            return new \DateTime("@$stored");
        }
        if ($given->getTimestamp() === $stored) {
            return $given instanceof \DateTime ? $given : \DateTime::createFromInterface($given);
        }

        // Another version has that second.
        return \DateTime::createFromInterface($given)->setTimestamp($stored);
    }
}
