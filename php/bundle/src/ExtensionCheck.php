<?php

declare(strict_types=1);

namespace Ezdfs\Bundle;

use Ezdfs\Store;

/**
 * Whether PHP has the extension: each of its SAPIs loads its own.
 */
final class ExtensionCheck
{
    public static function requireLoaded(): void
    {
        if (!class_exists(Store::class, false)) {
            throw new \LogicException(sprintf(
                'ezdfs-bundle needs the PHP extension "ezdfs", which this PHP (%s, %s) has not loaded: '
                . 'add "extension=ezdfs.so" to its configuration.',
                \PHP_SAPI,
                php_ini_loaded_file() ?: 'without php.ini'
            ));
        }
    }
}
