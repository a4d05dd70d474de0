<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Ibexa;

use Ibexa\Core\IO\IOMetadataHandler;
use Ibexa\Contracts\Core\IO\BinaryFile;
use Ibexa\Contracts\Core\IO\BinaryFileCreateStruct;
use Ezdfs\Bundle\Handler\Half;
use Ezdfs\Bundle\Handler\MetadataMethods;

/**
 * The table of the cluster, whatever the bytes are kept by.
 */
final class MetadataHandler implements IOMetadataHandler, Half
{
    use MetadataMethods;

    public function create(BinaryFileCreateStruct $spiBinaryFileCreateStruct): BinaryFile
    {
        return $this->createRow($spiBinaryFileCreateStruct);
    }

    public function load($spiBinaryFileId): BinaryFile
    {
        return $this->loadRow((string) $spiBinaryFileId);
    }
}
