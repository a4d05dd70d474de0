<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

use Symfony\Component\DependencyInjection\ContainerInterface;

/**
 * Handlers by name. The older kernels keep ids of services, the newer services.
 */
final class Registry
{
    private array $handlers = [];

    public function __construct(private ?ContainerInterface $container = null)
    {
    }

    public function setHandlersMap(array $handlers): void
    {
        $this->handlers = $handlers;
    }

    public function getConfiguredHandler($name): object
    {
        $handler = $this->handlers[$name];

        return \is_string($handler) ? $this->container->get($handler) : $handler;
    }
}
