<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\EzPlatform;

use eZ\Publish\Core\IO\IOMetadataHandler;
use eZ\Publish\SPI\IO\BinaryFile;
use eZ\Publish\SPI\IO\BinaryFileCreateStruct;
use Ezdfs\Bundle\Handler\PairedMetadataMethods;

final class PairedMetadataHandler implements IOMetadataHandler
{
    use PairedMetadataMethods;

    public function create(BinaryFileCreateStruct $spiBinaryFileCreateStruct): BinaryFile
    {
        $info = $this->pair->take('create', $spiBinaryFileCreateStruct);

        return $info === null
            ? $this->handler()->create($spiBinaryFileCreateStruct)
            : $this->kernel->binaryFile($info, $spiBinaryFileCreateStruct->mtime);
    }

    public function load($spiBinaryFileId): BinaryFile
    {
        return $this->handler()->load($spiBinaryFileId);
    }
}
