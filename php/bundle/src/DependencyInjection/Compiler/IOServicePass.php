<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\DependencyInjection\Compiler;

use Ezdfs\Bundle\DependencyInjection\HandlerConfiguration;
use Ezdfs\Bundle\Download\DownloadListener;
use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\Handler\Kernel;
use Ezdfs\Bundle\Handler\Pair;
use Ezdfs\Bundle\Handler\Stores;
use Ezdfs\Bundle\SettingResolver;
use Symfony\Component\DependencyInjection\ChildDefinition;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;

/**
 * Gives the kernel's IO service a pair of handlers in which create and delete
 * are one operation each.
 *
 * The service itself stays the kernel's, with all its exceptions and habits,
 * and so do the services that are derived from it for each kind of field.
 */
final class IOServicePass implements CompilerPassInterface
{
    private const PAIRED = ['metadata' => 'ezdfs.io.metadata_handler', 'binarydata' => 'ezdfs.io.binarydata_handler'];

    public function __construct(private readonly Family $family)
    {
    }

    public function process(ContainerBuilder $container): void
    {
        if (!$this->isConfigured($container, 'metadata') || !$this->isConfigured($container, 'binarydata')) {
            $container->removeDefinition(DownloadListener::class);

            return;
        }
        $this->addPair($container);

        $service = $container->findDefinition($this->family->ioService());
        foreach ($service->getArguments() as $key => $argument) {
            foreach (self::PAIRED as $half => $paired) {
                // Another handler than the kernel's is somebody's intention.
                if ($argument instanceof Reference && (string) $argument === $this->family->handler($half)) {
                    $service->setArgument($key, new Reference($paired));
                }
            }
        }
        if ($container->hasDefinition(DownloadListener::class)) {
            $container->getDefinition(DownloadListener::class)->addArgument(new Reference(Pair::class));
        }
    }

    private function isConfigured(ContainerBuilder $container, string $half): bool
    {
        $parameter = $this->family->handlersParameter($half);
        $handlers = $container->hasParameter($parameter) ? $container->getParameter($parameter) : [];

        return \in_array('ezdfs', array_column($handlers, 'type'), true);
    }

    private function addPair(ContainerBuilder $container): void
    {
        $container->register(Pair::class, Pair::class)->setPublic(false)->setArguments([
            new Reference(Stores::class),
            new Reference(SettingResolver::class),
            new Reference($this->family->registry('metadata')),
            new Reference($this->family->registry('binarydata')),
        ]);
        $parents = [
            'metadata' => HandlerConfiguration::METADATA_HANDLER,
            'binarydata' => HandlerConfiguration::BINARYDATA_HANDLER,
        ];
        foreach (self::PAIRED as $half => $paired) {
            $container->setDefinition("$paired.half", new ChildDefinition($parents[$half]))
                ->replaceArgument(1, new Reference(Pair::class))
                ->setPublic(false);
            $container->register($paired, $this->family->own('Paired' . ucfirst($half) . 'Handler'))
                ->setPublic(false)
                ->setArguments([new Reference(Kernel::class), new Reference(Pair::class), new Reference("$paired.half")]);
        }
    }
}
