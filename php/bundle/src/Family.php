<?php

declare(strict_types=1);

namespace Ezdfs\Bundle;

/**
 * The two families of kernels, and how each names the services that the bundle
 * works with.
 */
enum Family
{
    /** ezplatform-kernel 1.3: eZ Platform 3.3. */
    case EzPlatform;

    /** ibexa/core 4 and later. */
    case Ibexa;

    /** The one that is installed. */
    public static function installed(): self
    {
        // Asked first, because ibexa/core 4 answers to the old names, too.
        if (interface_exists('Ibexa\Core\IO\IOMetadataHandler')) {
            return self::Ibexa;
        }
        if (interface_exists('eZ\Publish\Core\IO\IOMetadataHandler')) {
            return self::EzPlatform;
        }
        throw new \LogicException('ezdfs-bundle: neither ibexa/core nor an eZ Platform kernel is installed');
    }

    /** A class of this bundle's that exists once for each family. */
    public function own(string $class): string
    {
        return __NAMESPACE__ . '\\' . $this->name . '\\' . $class;
    }

    /** The alias of the kernel's IO extension: the key of its configuration. */
    public function ioExtension(): string
    {
        return $this === self::Ibexa ? 'ibexa_io' : 'ez_io';
    }

    /** The container's parameter with the handlers of one half, by name. */
    public function handlersParameter(string $half): string
    {
        return ($this === self::Ibexa ? 'ibexa.io.' : 'ez_io.') . $half . '_handlers';
    }

    public function ioService(): string
    {
        return $this === self::Ibexa ? 'ibexa.core.io.service' : 'ezpublish.core.io.service';
    }

    /** What the kernel gives its IO service as the handler of one half. */
    public function handler(string $half): string
    {
        return match (true) {
            $this === self::EzPlatform => "ezpublish.core.io.{$half}_handler",
            $half === 'metadata' => 'Ibexa\Core\IO\IOBinarydataHandler\SiteAccessDependentMetadataHandler',
            default => 'Ibexa\Core\IO\IOBinarydataHandler\SiteAccessDependentBinaryDataHandler',
        };
    }

    /** What knows the handlers of one half by name. */
    public function registry(string $half): string
    {
        return ($this === self::Ibexa ? 'ibexa' : 'ezpublish') . ".core.io.{$half}_handler.registry";
    }

    /** What the kernel's `io:migrate-files` migrates a file by. */
    public function fileMigrator(): string
    {
        return $this === self::Ibexa
            ? 'Ibexa\Bundle\IO\Migration\FileMigrator\FileMigrator'
            : 'ezpublish.core.io.migration.file_migrator';
    }

    public function configResolver(): string
    {
        return $this === self::Ibexa ? 'ibexa.config.resolver' : 'ezpublish.config.resolver';
    }

    /** The decorator that makes URIs of ids. */
    public function uriDecorator(): string
    {
        return $this === self::Ibexa ? 'ibexa.core.io.default_url_decorator' : 'ezpublish.core.io.default_url_decorator';
    }

    /** The decorator that makes the table's names of ids. */
    public function nameDecorator(): string
    {
        return $this === self::Ibexa
            ? 'Ibexa\Core\IO\UrlDecorator\Prefix'
            : 'ezpublish.core.io.image_fieldtype.legacy_url_decorator';
    }

    /** The table that the kernel itself would use. */
    public function defaultTable(): string
    {
        // Ibexa 5 has another table than all before, and names it here.
        $constant = 'Ibexa\Core\IO\IOMetadataHandler\LegacyDFSCluster::DFS_FILE_TABLE';

        return $this === self::Ibexa && \defined($constant) ? \constant($constant) : 'ezdfsfile';
    }
}
