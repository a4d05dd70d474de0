<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

use Ezdfs\Bundle\Download\DownloadListener;
use Ezdfs\Bundle\EzdfsBundle;
use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\Tests\Kernel\CoreBundle;
use Symfony\Component\Config\Loader\LoaderInterface;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\HttpKernel\Kernel;

/**
 * A real Symfony kernel with the bundle and what stands in for eZ's.
 */
class TestKernel extends Kernel
{
    public function __construct(
        private readonly string $home,
        private readonly string $yaml,
        private readonly array $database,
        private readonly bool $bundleComesFirst,
        bool $isDebug = true,
    ) {
        // The compiled container is a class named after the environment.
        parent::__construct('test_' . bin2hex(random_bytes(6)), $isDebug);
    }

    public function registerBundles(): iterable
    {
        $io = Family::installed() === Family::Ibexa
            ? 'Ibexa\Bundle\IO\IbexaIOBundle'
            : 'eZ\Bundle\EzPublishIOBundle\EzPublishIOBundle';
        $bundles = [new CoreBundle($this->database), new $io(), new EzdfsBundle()];

        return $this->bundleComesFirst ? array_reverse($bundles) : $bundles;
    }

    public function registerContainerConfiguration(LoaderInterface $loader): void
    {
        $file = "$this->home/config.yaml";
        file_put_contents($file, $this->yaml);
        $loader->load($file);
    }

    protected function build(ContainerBuilder $container): void
    {
        // Within a test's reach, what only the container has.
        $container->addCompilerPass(new class() implements CompilerPassInterface {
            private const WITHIN_REACH = [
                'test.download_listener' => DownloadListener::class,
                'test.metadata_handler' => 'ezdfs.io.metadata_handler',
                'test.binarydata_handler' => 'ezdfs.io.binarydata_handler',
            ];

            public function process(ContainerBuilder $container): void
            {
                foreach (self::WITHIN_REACH as $alias => $service) {
                    if ($container->has($service)) {
                        $container->setAlias($alias, $service)->setPublic(true);
                    }
                }
                $migrator = Family::installed()->fileMigrator();
                $container->findDefinition($migrator)->setPublic(true);
            }
        });
    }

    public function getProjectDir(): string
    {
        return $this->home;
    }

    public function getCacheDir(): string
    {
        return "$this->home/cache";
    }

    public function getLogDir(): string
    {
        return "$this->home/log";
    }
}
