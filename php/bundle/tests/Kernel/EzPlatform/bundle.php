<?php

/*
 * What the bundle needs of the IO bundle of ezplatform-kernel 1.3: its names and its signatures,
 * with just enough behind them to run.
 */

declare(strict_types=1);

namespace eZ\Publish\Core\IO\IOBinarydataHandler {
    use Ezdfs\Bundle\Tests\Kernel\AsksTheRegistry;
    use eZ\Publish\SPI\IO\BinaryFileCreateStruct;
    use eZ\Publish\Core\IO\IOBinarydataHandler;
    use eZ\Publish\Core\IO\IOMetadataHandler;

    final class SiteAccessDependentMetadataHandler implements IOMetadataHandler
    {
        use AsksTheRegistry;

        public function create(BinaryFileCreateStruct $struct)
        {
            return $this->handler('metadata')->create($struct);
        }

        public function load($id)
        {
            return $this->handler('metadata')->load($id);
        }

        public function exists($id)
        {
            return $this->handler('metadata')->exists($id);
        }

        public function getMimeType($id)
        {
            return $this->handler('metadata')->getMimeType($id);
        }

        public function delete($id)
        {
            $this->handler('metadata')->delete($id);
        }

        public function deleteDirectory($path)
        {
            $this->handler('metadata')->deleteDirectory($path);
        }
    }

    final class SiteAccessDependentBinaryDataHandler implements IOBinarydataHandler
    {
        use AsksTheRegistry;

        public function create(BinaryFileCreateStruct $struct)
        {
            $this->handler('binarydata')->create($struct);
        }

        public function delete($id)
        {
            $this->handler('binarydata')->delete($id);
        }

        public function getContents($id)
        {
            return $this->handler('binarydata')->getContents($id);
        }

        public function getResource($id)
        {
            return $this->handler('binarydata')->getResource($id);
        }

        public function getUri($id)
        {
            return $this->handler('binarydata')->getUri($id);
        }

        public function getIdFromUri($uri)
        {
            return $this->handler('binarydata')->getIdFromUri($uri);
        }

        public function deleteDirectory($path)
        {
            $this->handler('binarydata')->deleteDirectory($path);
        }
    }
}

namespace eZ\Bundle\EzPublishIOBundle {
    use eZ\Publish\Core\IO\IOServiceInterface;
    use eZ\Publish\Core\IO\Values\BinaryFile;
    use Symfony\Component\HttpFoundation\Request;
    use Symfony\Component\HttpFoundation\Response;

    class BinaryStreamResponse extends Response
    {
        protected $file;
        protected $ioService;

        public function __construct(BinaryFile $binaryFile, IOServiceInterface $ioService, $status = 200, $headers = [], $public = true, $contentDisposition = null, $autoLastModified = true)
        {
            parent::__construct(null, $status, $headers);
            $this->file = $binaryFile;
            $this->ioService = $ioService;
            if ($autoLastModified) {
                $this->setLastModified($binaryFile->mtime);
            }
        }

        public function prepare(Request $request): static
        {
            return $this;
        }

        public function sendContent(): static
        {
            return $this;
        }
    }

    class EzPublishIOBundle extends \Symfony\Component\HttpKernel\Bundle\Bundle
    {
        public function build(\Symfony\Component\DependencyInjection\ContainerBuilder $container): void
        {
            $container->addCompilerPass(new DependencyInjection\HandlerPass($this->getContainerExtension()));
        }

        public function getContainerExtension(): ?\Symfony\Component\DependencyInjection\Extension\ExtensionInterface
        {
            return $this->extension = $this->extension ?: new DependencyInjection\EzPublishIOExtension();
        }
    }
}

namespace eZ\Bundle\EzPublishIOBundle\Migration {
    use Ezdfs\Bundle\Tests\Kernel\MigratesFiles;
    use eZ\Publish\SPI\IO\BinaryFile;
    use eZ\Publish\SPI\IO\BinaryFileCreateStruct;

    interface MigrationHandlerInterface
    {
        public function setIODataHandlersByIdentifiers(
            $fromMetadataHandlerIdentifier,
            $fromBinarydataHandlerIdentifier,
            $toMetadataHandlerIdentifier,
            $toBinarydataHandlerIdentifier
        );
    }

    interface FileMigratorInterface extends MigrationHandlerInterface
    {
        public function migrateFile(BinaryFile $binaryFile);
    }

    abstract class MigrationHandler implements MigrationHandlerInterface
    {
        use MigratesFiles;

        public function setIODataHandlersByIdentifiers(
            $fromMetadata,
            $fromBinarydata,
            $toMetadata,
            $toBinarydata
        ) {
            $this->choose($fromMetadata, $fromBinarydata, $toMetadata, $toBinarydata);

            return $this;
        }

        private function createStruct(): BinaryFileCreateStruct
        {
            return new BinaryFileCreateStruct();
        }
    }
}

namespace eZ\Bundle\EzPublishIOBundle\Migration\FileMigrator {
    use eZ\Bundle\EzPublishIOBundle\Migration\FileMigratorInterface;
    use eZ\Bundle\EzPublishIOBundle\Migration\MigrationHandler;
    use eZ\Publish\SPI\IO\BinaryFile;

    final class FileMigrator extends MigrationHandler implements FileMigratorInterface
    {
        public function migrateFile(BinaryFile $binaryFile)
        {
            return $this->migrate($binaryFile);
        }
    }
}

namespace eZ\Bundle\EzPublishIOBundle\DependencyInjection {
    use eZ\Bundle\EzPublishIOBundle\Migration\FileMigrator\FileMigrator;
    use eZ\Publish\Core\IO\IOBinarydataHandler\SiteAccessDependentBinaryDataHandler;
    use eZ\Publish\Core\IO\IOBinarydataHandler\SiteAccessDependentMetadataHandler;
    use eZ\Publish\Core\IO\PrefixDecorator;
    use eZ\Publish\Core\IO\TolerantIOService;
    use Ezdfs\Bundle\SettingResolver;
    use Ezdfs\Bundle\Tests\Kernel\ConfiguresHandlers;
    use Ezdfs\Bundle\Tests\Kernel\MakesHandlers;
    use Ezdfs\Bundle\Tests\Kernel\Registry;
    use Symfony\Component\Config\Definition\Builder\ArrayNodeDefinition;
    use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
    use Symfony\Component\DependencyInjection\ContainerBuilder;
    use Symfony\Component\DependencyInjection\Definition as ServiceDefinition;
    use Symfony\Component\DependencyInjection\Extension\Extension;
    use Symfony\Component\DependencyInjection\Reference;

    interface ConfigurationFactory
    {
        public function addConfiguration(ArrayNodeDefinition $node);

        public function getParentServiceId();

        public function configureHandler(ServiceDefinition $serviceDefinition, array $config);
    }

    class EzPublishIOExtension extends Extension
    {
        use ConfiguresHandlers;

        public function addMetadataHandlerFactory($alias, ConfigurationFactory $factory)
        {
            $this->types['metadata'][$alias] = $factory;
        }

        public function addBinarydataHandlerFactory($alias, ConfigurationFactory $factory)
        {
            $this->types['binarydata'][$alias] = $factory;
        }

        public function getAlias(): string
        {
            return 'ez_io';
        }

        public function load(array $configs, ContainerBuilder $container): void
        {
            $classes = [
                'metadata' => SiteAccessDependentMetadataHandler::class,
                'binarydata' => SiteAccessDependentBinaryDataHandler::class,
            ];
            $arguments = $registries = [];
            foreach ($this->configured($configs) as $half => $handlers) {
                $container->setParameter("ez_io.{$half}_handlers", $handlers);
                $container->register("ezpublish.core.io.{$half}_handler.registry", Registry::class)->setPublic(true);
                $registries[] = new Reference("ezpublish.core.io.{$half}_handler.registry");
                $container->register("ezpublish.core.io.{$half}_handler", $classes[$half])
                    ->setArguments([new Reference('ezpublish.config.resolver'), end($registries)]);
                $arguments[] = new Reference("ezpublish.core.io.{$half}_handler");
            }
            $container->register('ezpublish.core.io.migration.file_migrator', FileMigrator::class)
                ->setArguments($registries);
            $settings = new Reference(SettingResolver::class);
            $container->register('ezpublish.core.io.image_fieldtype.legacy_url_decorator', PrefixDecorator::class)
                ->setArguments([$settings, 'io.legacy_url_prefix', false]);
            $container->register('ezpublish.core.io.prefix_url_decorator', PrefixDecorator::class)
                ->setArguments([$settings, 'io.url_prefix', true]);
            $container->setAlias('ezpublish.core.io.default_url_decorator', 'ezpublish.core.io.prefix_url_decorator');
            $container->register('ezpublish.core.io.service', TolerantIOService::class)
                ->setPublic(true)->setLazy(true)->setArguments([...$arguments, new ServiceDefinition(\stdClass::class)]);
        }
    }

    class HandlerPass implements CompilerPassInterface
    {
        use MakesHandlers;

        public function __construct(private EzPublishIOExtension $extension)
        {
        }

        public function process(ContainerBuilder $container): void
        {
            foreach (['metadata', 'binarydata'] as $half) {
                $handlers = $container->getParameter("ez_io.{$half}_handlers");
                $registry = "ezpublish.core.io.{$half}_handler.registry";
                $this->make($container, $half, $handlers, $this->extension->types($half), $registry);
            }
        }

        private function configure(object $factory, ContainerBuilder $container, ServiceDefinition $definition, array $config): void
        {
            $factory->configureHandler($definition, $config);
        }
    }
}
