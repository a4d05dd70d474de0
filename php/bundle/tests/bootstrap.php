<?php

declare(strict_types=1);

// Debian's packages bring their own loaders; Composer's knows them all.
$loaders = is_file(__DIR__ . '/../vendor/autoload.php')
    ? [__DIR__ . '/../vendor/autoload.php']
    : array_map(static fn (string $package): string => "/usr/share/php/$package/autoload.php", [
        'Symfony/Component/HttpKernel',
        'Symfony/Component/DependencyInjection',
        'Symfony/Component/Config',
        'Symfony/Component/Yaml',
        'Doctrine/DBAL',
        'Symfony/Bundle/FrameworkBundle',
        'Symfony/Bundle/WebProfilerBundle',
        'Monolog',
    ]);
// Without Symfony's bundles and Monolog the tests of the profiler are skipped.
$isNeeded = static fn (string $file): bool => !preg_match('~/(Bundle|Monolog)/~', $file);
$loaders = array_filter($loaders, static fn (string $file): bool => is_file($file) || $isNeeded($file));
foreach ($loaders as $loader) {
    require_once $loader;
}
spl_autoload_register(static function (string $class): void {
    foreach (['Ezdfs\\Bundle\\Tests\\' => __DIR__, 'Ezdfs\\Bundle\\' => dirname(__DIR__) . '/src'] as $prefix => $dir) {
        if (str_starts_with($class, $prefix)) {
            $file = $dir . '/' . strtr(substr($class, strlen($prefix)), '\\', '/') . '.php';
            if (is_file($file)) {
                require $file;
            }

            return;
        }
    }
});

// FrameworkBundle asks Composer which packages are there. Debian's come without it.
if (!class_exists('Composer\InstalledVersions')) {
    class_alias(Ezdfs\Bundle\Tests\Support\NoComposer::class, 'Composer\InstalledVersions');
}

// One family in one process: which one is installed is what the bundle asks.
$family = getenv('EZDFS_TEST_FAMILY') === 'ibexa' ? 'Ibexa' : 'EzPlatform';
require __DIR__ . "/Kernel/$family/core.php";
require __DIR__ . "/Kernel/$family/bundle.php";
