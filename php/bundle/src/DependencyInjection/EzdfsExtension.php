<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\DependencyInjection;

use Ezdfs\Bundle\Download\DownloadListener;
use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\Handler\Kernel;
use Ezdfs\Bundle\Handler\Stores;
use Ezdfs\Bundle\HttpCache\Purger;
use Ezdfs\Bundle\Profiler\SlowLog;
use Ezdfs\Bundle\SettingResolver;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\ContainerInterface;
use Symfony\Component\DependencyInjection\Extension\Extension;
use Symfony\Component\DependencyInjection\Reference;

final class EzdfsExtension extends Extension
{
    public function load(array $configs, ContainerBuilder $container): void
    {
        $config = $this->processConfiguration(new Configuration(), $configs);
        $family = Family::installed();

        $container->register(Stores::class, Stores::class)->setPublic(false);
        $container->register(SettingResolver::class, SettingResolver::class)
            ->setArguments([new Reference($family->configResolver())])
            ->setPublic(false);
        $container->register(Kernel::class, $family->own('Kernel'))->setPublic(false);

        // The source, argument 1, comes with each handler's configuration.
        $container->register(HandlerConfiguration::METADATA_HANDLER, $family->own('MetadataHandler'))
            ->setArguments([new Reference(Kernel::class), null])
            ->setAbstract(true);
        $container->register(HandlerConfiguration::BINARYDATA_HANDLER, $family->own('BinarydataHandler'))
            ->setArguments([new Reference(Kernel::class), null, new Reference($family->uriDecorator())])
            ->setAbstract(true);

        $location = $config['download']['internal_location'];
        if ($location !== null) {
            $container->register(DownloadListener::class, DownloadListener::class)
                ->setArguments([$family->own('DownloadResponse'), $location])
                ->setPublic(false)
                // Before Symfony prepares the response, at priority 0.
                ->addTag('kernel.event_listener', [
                    'event' => 'kernel.response',
                    'method' => 'onResponse',
                    'priority' => 10,
                ]);
        }

        if ($config['slow_operation_ms'] !== null) {
            $this->addLogging($container, SlowLog::class, $config['slow_operation_ms']);
        }
        if ($config['purge']['cache_manager'] !== null) {
            $this->addLogging($container, Purger::class, new Reference($config['purge']['cache_manager']));
        }
    }

    /** A service whose last argument is a logger. */
    private function addLogging(ContainerBuilder $container, string $class, mixed $argument): void
    {
        $container->register($class, $class)
            ->setArguments([$argument, new Reference('logger', ContainerInterface::NULL_ON_INVALID_REFERENCE)])
            ->setPublic(false)
            // Monolog gives it a logger of this channel; without Monolog it means nothing.
            ->addTag('monolog.logger', ['channel' => 'ezdfs']);
    }

    public function getAlias(): string
    {
        return 'ezdfs';
    }
}
