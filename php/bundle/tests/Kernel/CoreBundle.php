<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

use Doctrine\DBAL\Connection;
use Doctrine\DBAL\DriverManager;
use Ezdfs\Bundle\Family;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Extension\Extension;
use Symfony\Component\DependencyInjection\Extension\ExtensionInterface;
use Symfony\Component\HttpKernel\Bundle\Bundle;

/**
 * The kernel's core bundle: settings of siteaccesses; and a Doctrine connection.
 */
final class CoreBundle extends Bundle
{
    public function __construct(private readonly array $database)
    {
    }

    public function getContainerExtension(): ?ExtensionInterface
    {
        return new class($this->database) extends Extension {
            private const DEFAULTS = [
                'var_dir' => 'var/site',
                'storage_dir' => 'storage',
                'io.legacy_url_prefix' => '$var_dir$/$storage_dir$',
                'io.url_prefix' => '$var_dir$/$storage_dir$',
            ];

            public function __construct(private readonly array $database)
            {
            }

            public function getAlias(): string
            {
                return Family::installed() === Family::Ibexa ? 'ibexa' : 'ezpublish';
            }

            public function load(array $configs, ContainerBuilder $container): void
            {
                $system = array_replace_recursive(...array_column($configs, 'system'));
                foreach ($system as $siteAccess => $settings) {
                    foreach ($settings['io'] ?? [] as $name => $value) {
                        $system[$siteAccess]["io.$name"] = $value;
                    }
                }
                $system['default'] = ($system['default'] ?? []) + self::DEFAULTS;
                $container->register(Family::installed()->configResolver(), Settings::class)
                    ->setPublic(true)->setArguments([$system]);
                $container->register('doctrine.dbal.dfs_connection', Connection::class)
                    ->setPublic(true)
                    ->setFactory([DriverManager::class, 'getConnection'])
                    ->setArguments([$this->database]);
            }
        };
    }
}
