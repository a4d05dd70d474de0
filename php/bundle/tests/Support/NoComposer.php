<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

/**
 * Composer's InstalledVersions, where Composer has installed nothing: Symfony
 * then takes what has classes for what is there.
 */
final class NoComposer
{
    public static function isInstalled(string $package, bool $includeDevelopment = true): bool
    {
        return false;
    }
}
