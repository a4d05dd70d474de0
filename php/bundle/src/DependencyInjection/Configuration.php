<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\DependencyInjection;

use Symfony\Component\Config\Definition\Builder\TreeBuilder;
use Symfony\Component\Config\Definition\ConfigurationInterface;

/**
 * The bundle's own configuration, below `ezdfs:`.
 */
final class Configuration implements ConfigurationInterface
{
    public function getConfigTreeBuilder(): TreeBuilder
    {
        $builder = new TreeBuilder('ezdfs');
        $builder->getRootNode()
            ->children()
                ->arrayNode('download')
                    ->addDefaultsIfNotSet()
                    ->children()
                        ->scalarNode('internal_location')
                            ->info('nginx location, marked internal, that downloads are handed to; none: PHP streams them')
                            ->example('/protected')
                            ->defaultNull()
                            ->validate()
                                // Of an environment variable Symfony checks the empty text.
                                ->ifTrue(static fn ($value): bool => !in_array($value, [null, ''], true) && !preg_match('~^/[^?#\s]~', $value))
                                ->thenInvalid('%s is not the path of an nginx location')
                            ->end()
                        ->end()
                    ->end()
                ->end()
                ->arrayNode('purge')
                    ->addDefaultsIfNotSet()
                    ->children()
                        ->scalarNode('cache_manager')
                            ->info('Service with invalidatePath() that is told what this process changes; null: nobody is. For sites without an agent that purges')
                            ->example('fos_http_cache.cache_manager')
                            ->defaultNull()
                        ->end()
                    ->end()
                ->end()
                ->scalarNode('slow_operation_ms')
                    ->info('Operations of as many milliseconds are warnings in the log channel ezdfs; null: none')
                    ->example('1000')
                    ->defaultNull()
                    ->validate()
                        ->ifTrue(static fn ($value): bool => $value !== null && !(is_numeric($value) && $value >= 0))
                        ->thenInvalid('%s is not a number of milliseconds')
                    ->end()
                ->end()
            ->end();

        return $builder;
    }
}
