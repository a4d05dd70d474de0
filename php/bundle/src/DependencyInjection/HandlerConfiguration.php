<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\DependencyInjection;

use Ezdfs\Bundle\Handler\BinarydataHalf;
use Ezdfs\Bundle\Handler\MetadataHalf;
use Ezdfs\Bundle\Handler\Stores;
use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\SettingResolver;
use Symfony\Component\Config\Definition\Builder\ArrayNodeDefinition;
use Symfony\Component\DependencyInjection\Definition;
use Symfony\Component\DependencyInjection\Reference;

/**
 * The configuration below `ezdfs:` of both halves, for both families.
 */
final class HandlerConfiguration
{
    public const METADATA_HANDLER = 'ezdfs.metadata_handler';
    public const BINARYDATA_HANDLER = 'ezdfs.binarydata_handler';

    public static function addMetadata(ArrayNodeDefinition $node): void
    {
        $node
            ->info('ezdfs: metadata in the table of the DFS cluster')
            ->children()
                ->scalarNode('connection')
                    ->info('Doctrine connection service that says where the database is')
                    ->example('doctrine.dbal.dfs_connection')
                ->end()
                ->scalarNode('dsn')
                    ->info('The database itself, instead of a connection: a URL, env:NAME or file:/path')
                    ->example('mysql://user:password@db1,db2/ezdfs')
                ->end()
                ->scalarNode('table')
                    ->info('The table; by default the one that the kernel uses')
                ->end()
            ->end()
            ->validate()
                ->ifTrue(static fn (array $config): bool => isset($config['connection']) === isset($config['dsn']))
                ->thenInvalid('ezdfs needs either "connection" or "dsn"')
            ->end();
        self::addOptions($node);
    }

    public static function addBinarydata(ArrayNodeDefinition $node): void
    {
        $node
            ->info('ezdfs: files on a mount')
            ->children()
                ->scalarNode('directory')
                    ->info('What ids are relative to; $var_dir$ and $storage_dir$ are those of the siteaccess')
                    ->example('/path/to/nfs/$var_dir$/$storage_dir$')
                    ->isRequired()
                    ->cannotBeEmpty()
                ->end()
                ->arrayNode('permissions')
                    ->info('Permissions of what is created, octal')
                    ->children()
                        ->scalarNode('files')->example("'0644'")->end()
                        ->scalarNode('directories')->example("'0755'")->end()
                    ->end()
                ->end()
            ->end();
        self::addOptions($node);
    }

    private static function addOptions(ArrayNodeDefinition $node): void
    {
        $node
            ->children()
                ->arrayNode('options')
                    ->info('Further options of the store, such as query_timeout: 5s')
                    ->useAttributeAsKey('name')
                    ->normalizeKeys(false)
                    ->prototype('scalar')->end()
                ->end()
            ->end();
    }

    public static function configureMetadata(Definition $handler, #[\SensitiveParameter] array $config): void
    {
        (new HandlerCheck('metadata', $config['name']))->checkMetadata($config);
        $half = [
            'connection' => isset($config['connection']) ? new Reference($config['connection']) : null,
            'dsn' => $config['dsn'] ?? null,
            'table' => $config['table'] ?? Family::installed()->defaultTable(),
            'options' => $config['options'] ?? [],
        ];
        self::configure($handler, new Definition(MetadataHalf::class, [
            new Reference(Stores::class),
            new Reference(Family::installed()->nameDecorator()),
            $half,
        ]));
    }

    public static function configureBinarydata(Definition $handler, #[\SensitiveParameter] array $config): void
    {
        (new HandlerCheck('binarydata', $config['name']))->checkBinarydata($config);
        $half = [
            'directory' => $config['directory'],
            'permissions' => $config['permissions'] ?? [],
            'options' => $config['options'] ?? [],
        ];
        self::configure($handler, new Definition(BinarydataHalf::class, [
            new Reference(Stores::class),
            new Reference(SettingResolver::class),
            $half,
        ]));
    }

    private static function configure(Definition $handler, Definition $half): void
    {
        $handler->replaceArgument(1, $half);
    }
}
