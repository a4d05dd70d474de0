<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\DependencyInjection\Compiler;

use Ezdfs\Bundle\Handler\Stores;
use Ezdfs\Bundle\HttpCache\Purger;
use Ezdfs\Bundle\Profiler\Recorder;
use Ezdfs\Bundle\Profiler\SlowLog;
use Ezdfs\Bundle\Profiler\StoreCollector;
use Ezdfs\Bundle\Profiler\Tracer;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;

/**
 * Has calls watched where somebody wants to know of them: Symfony's profiler,
 * a log of slow operations, HTTP caches. Elsewhere handlers work on the stores
 * themselves.
 *
 * A pass, because whether there is a profiler depends on another bundle.
 */
final class TracingPass implements CompilerPassInterface
{
    public function process(ContainerBuilder $container): void
    {
        $isProfiled = $container->has('profiler') && $container->getParameter('kernel.debug');
        $isLogged = $container->hasDefinition(SlowLog::class);
        $isPurged = $container->hasDefinition(Purger::class);
        if (!$isProfiled && !$isLogged && !$isPurged) {
            return;
        }
        if ($isProfiled) {
            $this->addCollector($container);
        }
        $container->register(Tracer::class, Tracer::class)->setPublic(false)->setArguments([
            $isProfiled ? new Reference(Recorder::class) : null,
            $isLogged ? new Reference(SlowLog::class) : null,
            $isPurged ? new Reference(Purger::class) : null,
        ]);
        $container->getDefinition(Stores::class)->setArguments([new Reference(Tracer::class)]);
    }

    private function addCollector(ContainerBuilder $container): void
    {
        $container->register(Recorder::class, Recorder::class)->setPublic(false);
        $container->register(StoreCollector::class, StoreCollector::class)
            ->setPublic(false)
            ->setArguments([new Reference(Recorder::class)])
            ->addTag('data_collector', ['id' => StoreCollector::NAME, 'template' => '@Ezdfs/Collector/ezdfs.html.twig']);
    }
}
