<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\EzPlatform;

use eZ\Publish\Core\IO\IOBinarydataHandler;
use eZ\Publish\SPI\IO\BinaryFileCreateStruct;
use Ezdfs\Bundle\Handler\BinarydataMethods;
use Ezdfs\Bundle\Handler\Half;

/**
 * The files on the mount, whatever the metadata are kept by.
 */
final class BinarydataHandler implements IOBinarydataHandler, Half
{
    use BinarydataMethods;

    public function create(BinaryFileCreateStruct $binaryFileCreateStruct): void
    {
        $this->createFile($binaryFileCreateStruct);
    }
}
