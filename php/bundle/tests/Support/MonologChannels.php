<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

use Monolog\Logger;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Definition;
use Symfony\Component\DependencyInjection\Reference;

/**
 * What MonologBundle, which Debian has not, makes of the tag `monolog.logger`:
 * in place of `logger` a service is given Monolog's logger of its channel.
 */
final class MonologChannels implements CompilerPassInterface
{
    public function __construct(private readonly string $handler)
    {
    }

    public function process(ContainerBuilder $container): void
    {
        foreach ($container->findTaggedServiceIds('monolog.logger') as $service => $tags) {
            foreach (array_column($tags, 'channel') as $channel) {
                $this->addLogger($container, "monolog.logger.$channel", $channel);
                $this->hand($container->getDefinition($service), "monolog.logger.$channel");
            }
        }
    }

    private function addLogger(ContainerBuilder $container, string $id, string $channel): void
    {
        if (!$container->has($id)) {
            $container->register($id, Logger::class)->setArguments([$channel, [new Reference($this->handler)]]);
        }
    }

    private function hand(Definition $service, string $logger): void
    {
        foreach ($service->getArguments() as $key => $argument) {
            if ($argument instanceof Reference && (string) $argument === 'logger') {
                $service->setArgument($key, new Reference($logger));
            }
        }
    }
}
