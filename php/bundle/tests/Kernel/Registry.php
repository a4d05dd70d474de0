<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

/**
 * Handlers by name.
 */
final class Registry
{
    /** @var array<string, object> */
    private array $handlers = [];

    public function setHandlersMap(array $handlers): void
    {
        $this->handlers = $handlers;
    }

    public function addHandler(string $name, object $handler): void
    {
        $this->handlers[$name] = $handler;
    }

    public function getConfiguredHandler($name): object
    {
        return $this->handlers[$name];
    }
}
