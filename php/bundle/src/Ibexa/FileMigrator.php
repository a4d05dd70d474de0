<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Ibexa;

use Ibexa\Bundle\IO\Migration\FileMigratorInterface;
use Ibexa\Bundle\IO\Migration\MigrationHandler;
use Ibexa\Core\IO\Exception\BinaryFileNotFoundException;
use Ibexa\Contracts\Core\IO\BinaryFile;
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
