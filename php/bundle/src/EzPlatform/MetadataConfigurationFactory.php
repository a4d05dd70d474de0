<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\EzPlatform;

use eZ\Bundle\EzPublishIOBundle\DependencyInjection\ConfigurationFactory;
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

    public function configureHandler(Definition $serviceDefinition, #[\SensitiveParameter] array $config): void
    {
        HandlerConfiguration::configureMetadata($serviceDefinition, $config);
    }
}
