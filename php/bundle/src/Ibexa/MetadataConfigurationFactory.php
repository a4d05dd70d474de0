<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Ibexa;

use Ibexa\Bundle\IO\DependencyInjection\ConfigurationFactory;
use Ezdfs\Bundle\DependencyInjection\HandlerConfiguration;
use Symfony\Component\Config\Definition\Builder\ArrayNodeDefinition;
use Symfony\Component\DependencyInjection\Definition;

final class MetadataConfigurationFactory implements ConfigurationFactory
{
    public function addConfiguration(ArrayNodeDefinition $node): void
    {
        HandlerConfiguration::addMetadata($node);
    }

    public function getParentServiceId(): string
    {
        return HandlerConfiguration::METADATA_HANDLER;
    }

    /**
     * Ibexa 5 calls with the container, the definition and the configuration;
     * Ibexa 4 without the container.
     */
    public function configureHandler(#[\SensitiveParameter] mixed ...$arguments): void
    {
        [$serviceDefinition, $config] = \array_slice($arguments, -2);
        \assert($serviceDefinition instanceof Definition);
        HandlerConfiguration::configureMetadata($serviceDefinition, $config);
    }
}
