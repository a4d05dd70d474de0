<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\EzPlatform;

use eZ\Bundle\EzPublishIOBundle\Migration\FileMigratorInterface;
use eZ\Bundle\EzPublishIOBundle\Migration\MigrationHandler;
use eZ\Publish\Core\IO\Exception\BinaryFileNotFoundException;
use eZ\Publish\SPI\IO\BinaryFile;
use Ezdfs\Bundle\Migration\FileMigratorMethods;

final class FileMigrator implements FileMigratorInterface
{
    use FileMigratorMethods;

    private const NOT_FOUND = BinaryFileNotFoundException::class;

    public function setIODataHandlersByIdentifiers(
        $fromMetadataHandlerIdentifier,
        $fromBinarydataHandlerIdentifier,
        $toMetadataHandlerIdentifier,
        $toBinarydataHandlerIdentifier
    ): MigrationHandler {
        $this->choose($fromBinarydataHandlerIdentifier, $toBinarydataHandlerIdentifier);

        return $this->migrator->setIODataHandlersByIdentifiers(
            $fromMetadataHandlerIdentifier,
            $fromBinarydataHandlerIdentifier,
            $toMetadataHandlerIdentifier,
            $toBinarydataHandlerIdentifier
        );
    }

    public function migrateFile(BinaryFile $binaryFile): bool
    {
        $this->requireTwoFiles($binaryFile->id);

        return $this->migrator->migrateFile($binaryFile);
    }
}
