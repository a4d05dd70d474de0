<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

use Symfony\Component\DependencyInjection\ChildDefinition;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Definition;
use Symfony\Component\DependencyInjection\Reference;

/**
 * The compiler pass of an IO bundle: a service for each configured handler.
 */
trait MakesHandlers
{
    private function make(ContainerBuilder $container, string $half, array $handlers, \ArrayObject $types, string $registry): void
    {
        $map = [];
        foreach ($handlers as $name => $config) {
            $factory = $types[$config['type']];
            $parent = $factory->getParentServiceId();
            $definition = $container->setDefinition("$parent.$name", new ChildDefinition($parent));
            $this->configure($factory, $container, $definition, $config);
            $map[$name] = new Reference("$parent.$name");
        }
        $container->getDefinition($registry)->addMethodCall('setHandlersMap', [$map]);
    }

    abstract private function configure(object $factory, ContainerBuilder $container, Definition $definition, array $config): void;
}
