<?php

declare(strict_types=1);

namespace Ezdfs\Bundle;

use Ezdfs\Bundle\DependencyInjection\Compiler\FileMigratorPass;
use Ezdfs\Bundle\DependencyInjection\Compiler\IOServicePass;
use Ezdfs\Bundle\DependencyInjection\Compiler\TracingPass;
use Ezdfs\Bundle\DependencyInjection\EzdfsExtension;
use Symfony\Component\DependencyInjection\Compiler\PassConfig;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Extension\ExtensionInterface;
use Symfony\Component\HttpKernel\Bundle\Bundle;

/**
 * Adds the handler type `ezdfs` to the kernel's IO configuration.
 */
final class EzdfsBundle extends Bundle
{
    public function build(ContainerBuilder $container): void
    {
        parent::build($container);
        ExtensionCheck::requireLoaded();

        $family = Family::installed();
        // Every bundle's extension is known by the time bundles are built.
        $extension = $container->getExtension($family->ioExtension());
        $extension->addMetadataHandlerFactory('ezdfs', new ($family->own('MetadataConfigurationFactory'))());
        $extension->addBinarydataHandlerFactory('ezdfs', new ($family->own('BinarydataConfigurationFactory'))());

        $container->addCompilerPass(new IOServicePass($family));
        $container->addCompilerPass(new FileMigratorPass($family));
        // Before Symfony gathers the collectors, at priority 0.
        $container->addCompilerPass(new TracingPass(), PassConfig::TYPE_BEFORE_OPTIMIZATION, 10);
    }

    public function getContainerExtension(): ?ExtensionInterface
    {
        return new EzdfsExtension();
    }
}
