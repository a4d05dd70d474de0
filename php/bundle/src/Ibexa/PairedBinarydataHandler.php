<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Ibexa;

use Ibexa\Core\IO\IOBinarydataHandler;
use Ibexa\Contracts\Core\IO\BinaryFileCreateStruct;
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
