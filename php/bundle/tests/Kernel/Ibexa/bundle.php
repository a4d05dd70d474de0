<?php

/*
 * What the bundle needs of the IO bundle of ibexa/core 5: its names and its signatures,
 * with just enough behind them to run.
 */

declare(strict_types=1);

namespace Ibexa\Core\IO\IOMetadataHandler {
    class LegacyDFSCluster
    {
        public const DFS_FILE_TABLE = 'ibexa_dfs_file';
    }
}

namespace Ibexa\Core\IO\IOBinarydataHandler {
    use Ezdfs\Bundle\Tests\Kernel\AsksTheRegistry;
    use Ibexa\Contracts\Core\IO\BinaryFile;
    use Ibexa\Contracts\Core\IO\BinaryFileCreateStruct;
    use Ibexa\Core\IO\IOBinarydataHandler;
    use Ibexa\Core\IO\IOMetadataHandler;

    final class SiteAccessDependentMetadataHandler implements IOMetadataHandler
    {
        use AsksTheRegistry;

        public function create(BinaryFileCreateStruct $struct): BinaryFile
        {
            return $this->handler('metadata')->create($struct);
        }

        public function load(string $id): BinaryFile
        {
            return $this->handler('metadata')->load($id);
        }

        public function exists(string $id): bool
        {
            return $this->handler('metadata')->exists($id);
        }

        public function getMimeType(string $id): string
        {
            return $this->handler('metadata')->getMimeType($id);
        }

        public function delete(string $id): void
        {
            $this->handler('metadata')->delete($id);
        }

        public function deleteDirectory(string $path): void
        {
            $this->handler('metadata')->deleteDirectory($path);
        }
    }

    final class SiteAccessDependentBinaryDataHandler implements IOBinarydataHandler
    {
        use AsksTheRegistry;

        public function create(BinaryFileCreateStruct $struct): void
        {
            $this->handler('binarydata')->create($struct);
        }

        public function delete(string $id): void
        {
            $this->handler('binarydata')->delete($id);
        }

        public function getContents(string $id): string
        {
            return $this->handler('binarydata')->getContents($id);
        }

        public function getResource(string $id): mixed
        {
            return $this->handler('binarydata')->getResource($id);
        }

        public function getUri(string $id): string
        {
            return $this->handler('binarydata')->getUri($id);
        }

        public function getIdFromUri(string $uri): string
        {
            return $this->handler('binarydata')->getIdFromUri($uri);
        }

        public function deleteDirectory(string $path): void
        {
            $this->handler('binarydata')->deleteDirectory($path);
        }
    }
}

namespace Ibexa\Bundle\IO {
    use Ibexa\Core\IO\IOServiceInterface;
    use Ibexa\Core\IO\Values\BinaryFile;
    use Symfony\Component\HttpFoundation\Request;
    use Symfony\Component\HttpFoundation\Response;

    class BinaryStreamResponse extends Response
    {
        protected BinaryFile $file;
        protected IOServiceInterface $ioService;

        public function __construct(BinaryFile $binaryFile, IOServiceInterface $ioService, int $status = 200, array $headers = [], bool $public = true, ?string $contentDisposition = null, bool $autoLastModified = true)
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

    class IbexaIOBundle extends \Symfony\Component\HttpKernel\Bundle\Bundle
    {
        public function build(\Symfony\Component\DependencyInjection\ContainerBuilder $container): void
        {
            $container->addCompilerPass(new DependencyInjection\HandlerPass($this->getContainerExtension()));
        }

        public function getContainerExtension(): ?\Symfony\Component\DependencyInjection\Extension\ExtensionInterface
        {
            return $this->extension = $this->extension ?: new DependencyInjection\IbexaIOExtension();
        }
    }
}

namespace Ibexa\Bundle\IO\Migration {
    use Ezdfs\Bundle\Tests\Kernel\MigratesFiles;
    use Ibexa\Contracts\Core\IO\BinaryFile;
    use Ibexa\Contracts\Core\IO\BinaryFileCreateStruct;

    interface MigrationHandlerInterface
    {
        public function setIODataHandlersByIdentifiers(
            string $fromMetadataHandlerIdentifier,
            string $fromBinarydataHandlerIdentifier,
            string $toMetadataHandlerIdentifier,
            string $toBinarydataHandlerIdentifier
        ): MigrationHandler;
    }

    interface FileMigratorInterface extends MigrationHandlerInterface
    {
        public function migrateFile(BinaryFile $binaryFile);
    }

    abstract class MigrationHandler implements MigrationHandlerInterface
    {
        use MigratesFiles;

        public function setIODataHandlersByIdentifiers(
            string $fromMetadata,
            string $fromBinarydata,
            string $toMetadata,
            string $toBinarydata
        ): MigrationHandler {
            $this->choose($fromMetadata, $fromBinarydata, $toMetadata, $toBinarydata);

            return $this;
        }

        private function createStruct(): BinaryFileCreateStruct
        {
            return new BinaryFileCreateStruct();
        }
    }
}

namespace Ibexa\Bundle\IO\Migration\FileMigrator {
    use Ibexa\Bundle\IO\Migration\FileMigratorInterface;
    use Ibexa\Bundle\IO\Migration\MigrationHandler;
    use Ibexa\Contracts\Core\IO\BinaryFile;

    final class FileMigrator extends MigrationHandler implements FileMigratorInterface
    {
        public function migrateFile(BinaryFile $binaryFile): bool
        {
            return $this->migrate($binaryFile);
        }
    }
}

namespace Ibexa\Bundle\IO\DependencyInjection {
    use Ibexa\Bundle\IO\Migration\FileMigrator\FileMigrator;
    use Ibexa\Core\IO\PrefixDecorator;
    use Ibexa\Core\IO\TolerantIOService;
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
        public function addConfiguration(ArrayNodeDefinition $node): void;

        public function getParentServiceId(): string;

        public function configureHandler(ContainerBuilder $container, ServiceDefinition $serviceDefinition, array $config): void;
    }

    class IbexaIOExtension extends Extension
    {
        use ConfiguresHandlers;

        public function addMetadataHandlerFactory(string $alias, ConfigurationFactory $factory): void
        {
            $this->types['metadata'][$alias] = $factory;
        }

        public function addBinarydataHandlerFactory(string $alias, ConfigurationFactory $factory): void
        {
            $this->types['binarydata'][$alias] = $factory;
        }

        public function getAlias(): string
        {
            return 'ibexa_io';
        }

        public function load(array $configs, ContainerBuilder $container): void
        {
            foreach ($this->configured($configs) as $half => $handlers) {
                $container->setParameter("ibexa.io.{$half}_handlers", $handlers);
                $container->register("ibexa.core.io.{$half}_handler.registry", Registry::class)->setPublic(true);
            }
            $configured = 'Ibexa\Core\IO\IOBinarydataHandler\SiteAccessDependent';
            foreach (['Metadata' => 'metadata', 'BinaryData' => 'binarydata'] as $class => $half) {
                $container->register("$configured{$class}Handler", "$configured{$class}Handler")->setPublic(true)
                    ->setArguments([new Reference('ibexa.config.resolver'), new Reference("ibexa.core.io.{$half}_handler.registry")]);
            }
            $settings = new Reference(SettingResolver::class);
            $container->register('Ibexa\Core\IO\UrlDecorator\Prefix', PrefixDecorator::class)
                ->setArguments([$settings, 'io.legacy_url_prefix', false]);
            $container->register('Ibexa\Core\IO\UrlDecorator\AbsolutePrefix', PrefixDecorator::class)
                ->setArguments([$settings, 'io.url_prefix', true]);
            $container->setAlias('ibexa.core.io.default_url_decorator', 'Ibexa\Core\IO\UrlDecorator\AbsolutePrefix');
            $container->register(TolerantIOService::class, TolerantIOService::class)
                ->setPublic(true)->setLazy(true)->setArguments([
                    '$metadataHandler' => new Reference("{$configured}MetadataHandler"),
                    '$binarydataHandler' => new Reference("{$configured}BinaryDataHandler"),
                    '$detector' => new ServiceDefinition(\stdClass::class),
                ]);
            $container->register(FileMigrator::class, FileMigrator::class)->setArguments([
                new Reference('ibexa.core.io.metadata_handler.registry'),
                new Reference('ibexa.core.io.binarydata_handler.registry'),
            ]);
            $container->setAlias('ibexa.core.io.service', TolerantIOService::class)->setPublic(true);
        }
    }

    class HandlerPass implements CompilerPassInterface
    {
        use MakesHandlers;

        public function __construct(private IbexaIOExtension $extension)
        {
        }

        public function process(ContainerBuilder $container): void
        {
            foreach (['metadata', 'binarydata'] as $half) {
                $handlers = $container->getParameter("ibexa.io.{$half}_handlers");
                $registry = "ibexa.core.io.{$half}_handler.registry";
                $this->make($container, $half, $handlers, $this->extension->types($half), $registry);
            }
        }

        private function configure(object $factory, ContainerBuilder $container, ServiceDefinition $definition, array $config): void
        {
            $factory->configureHandler($container, $definition, $config);
        }
    }
}
