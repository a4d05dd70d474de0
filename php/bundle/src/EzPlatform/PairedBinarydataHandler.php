<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\EzPlatform;

use eZ\Publish\Core\IO\IOBinarydataHandler;
use eZ\Publish\SPI\IO\BinaryFileCreateStruct;
use Ezdfs\Bundle\Handler\PairedBinarydataMethods;

final class PairedBinarydataHandler implements IOBinarydataHandler
{
    use PairedBinarydataMethods;

    public function create(BinaryFileCreateStruct $binaryFileCreateStruct): void
    {
        if ($this->pair->isOneStore()) {
            $this->createBoth($binaryFileCreateStruct);
        } else {
            $this->handler()->create($binaryFileCreateStruct);
        }
    }
}
