<?php

/*
 * What the bundle needs of ibexa/core 5: its names and its signatures,
 * with just enough behind them to run.
 */

declare(strict_types=1);

namespace Ibexa\Contracts\Core\IO {
    class BinaryFile
    {
        public string $id;
        public int $size;
        public \DateTimeInterface $mtime;
        public string $uri;
    }

    class BinaryFileCreateStruct
    {
        public string $id;
        public int $size;
        public \DateTimeInterface $mtime;
        public string $mimeType;
        private mixed $stream;

        public function getInputStream(): mixed
        {
            return $this->stream;
        }

        public function setInputStream(mixed $stream): void
        {
            $this->stream = $stream;
        }
    }
}

namespace Ibexa\Core\IO\Values {
    use Ezdfs\Bundle\Tests\Kernel\HoldsValues;

    class BinaryFile
    {
        use HoldsValues;

        protected string $id;
        protected ?int $size = null;
        protected ?\DateTime $mtime = null;
        protected string $uri;
    }

    class MissingBinaryFile extends BinaryFile
    {
    }

    class BinaryFileCreateStruct
    {
        use HoldsValues;

        public ?string $id = null;
        public int $size;
        public mixed $inputStream;
        public string $mimeType;
    }
}

namespace Ibexa\Core\IO\Exception {
    class BinaryFileNotFoundException extends \Exception
    {
        public function __construct(string $path, ?\Throwable $previous = null)
        {
            parent::__construct("no file $path", 404, $previous);
        }
    }

    class IOException extends \RuntimeException
    {
        public function __construct(string $message, ?\Throwable $e = null)
        {
            parent::__construct($message, 0, $e);
        }
    }

    class InvalidBinaryFileIdException extends \InvalidArgumentException
    {
    }
}

namespace Ibexa\Core\IO {
    use Ibexa\Contracts\Core\IO\BinaryFile;
    use Ibexa\Contracts\Core\IO\BinaryFileCreateStruct;
    use Ezdfs\Bundle\Tests\Kernel\CallsTwice;
    use Ezdfs\Bundle\Tests\Kernel\Prefixes;

    interface UrlDecorator
    {
        public function decorate(string $uri): string;

        public function undecorate(string $uri): string;
    }

    interface IOMetadataHandler
    {
        public function create(BinaryFileCreateStruct $spiBinaryFileCreateStruct): BinaryFile;

        public function delete(string $binaryFileId): void;

        public function load(string $spiBinaryFileId): BinaryFile;

        public function exists(string $spiBinaryFileId): bool;

        public function getMimeType(string $spiBinaryFileId): string;

        public function deleteDirectory(string $path): void;
    }

    interface IOBinarydataHandler
    {
        public function create(BinaryFileCreateStruct $binaryFileCreateStruct): void;

        public function delete(string $binaryFileId): void;

        public function getContents(string $spiBinaryFileId): string;

        public function getResource(string $spiBinaryFileId): mixed;

        public function getUri(string $spiBinaryFileId): string;

        public function getIdFromUri(string $binaryFileUri): string;

        public function deleteDirectory(string $path): void;
    }

    interface IOServiceInterface
    {
        public function setPrefix(string $prefix): void;

        public function exists(string $binaryFileId): bool;

        public function loadBinaryFile(string $binaryFileId): Values\BinaryFile;

        public function loadBinaryFileByUri(string $binaryFileUri): Values\BinaryFile;

        public function getFileContents(Values\BinaryFile $binaryFile): string;

        public function createBinaryFile(Values\BinaryFileCreateStruct $binaryFileCreateStruct): Values\BinaryFile;

        public function getMimeType(string $binaryFileId): ?string;

        public function getFileInputStream(Values\BinaryFile $binaryFile): mixed;

        public function deleteBinaryFile(Values\BinaryFile $binaryFile): void;

        public function deleteDirectory(string $path): void;
    }

    class PrefixDecorator implements UrlDecorator
    {
        use Prefixes;

        public function decorate(string $uri): string
        {
            return $this->add($uri);
        }

        public function undecorate(string $uri): string
        {
            return $this->remove($uri) ?? throw new Exception\InvalidBinaryFileIdException($uri);
        }
    }

    class TolerantIOService implements IOServiceInterface
    {
        use CallsTwice;

        public function setPrefix(string $prefix): void
        {
            $this->prefix = $prefix . '/';
        }

        public function exists(string $id): bool
        {
            return $this->metadataHandler->exists($this->full($id));
        }

        public function loadBinaryFile(string $id): Values\BinaryFile
        {
            return $this->find($id);
        }

        public function loadBinaryFileByUri(string $uri): Values\BinaryFile
        {
            return $this->findByUri($uri);
        }

        public function getFileContents(Values\BinaryFile $file): string
        {
            return $this->binarydataHandler->getContents($this->full($file->id));
        }

        public function createBinaryFile(Values\BinaryFileCreateStruct $struct): Values\BinaryFile
        {
            return $this->make($struct);
        }

        public function getMimeType(string $id): ?string
        {
            return $this->metadataHandler->getMimeType($this->full($id));
        }

        public function getFileInputStream(Values\BinaryFile $file): mixed
        {
            return $this->binarydataHandler->getResource($this->full($file->id));
        }

        public function deleteBinaryFile(Values\BinaryFile $file): void
        {
            $this->remove($file);
        }

        public function deleteDirectory(string $path): void
        {
            $this->removeDirectory($path);
        }

        private function createStruct(): BinaryFileCreateStruct
        {
            return new BinaryFileCreateStruct();
        }

        private function value(object $stored, string $id): Values\BinaryFile
        {
            $values = ['id' => $id, 'size' => $stored->size, 'mtime' => $stored->mtime];

            return new Values\BinaryFile($values + ['uri' => $stored->uri]);
        }

        private function missing(string $id, string $uri): Values\MissingBinaryFile
        {
            return new Values\MissingBinaryFile(['id' => $id, 'uri' => $uri]);
        }

        private function failure(string $message, \Exception $e): \Exception
        {
            return new Exception\IOException($message, $e);
        }

        private function badId(string $id): \Exception
        {
            return new Exception\InvalidBinaryFileIdException($id);
        }

        private function badPrefix(string $id): \Exception
        {
            return $this->badId($id);
        }

        private function isMissing(\Exception $e): bool
        {
            return $e instanceof Exception\BinaryFileNotFoundException;
        }
    }
}

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

namespace Ibexa\Bundle\IO\DependencyInjection {
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

        public function load(array $configs, ContainerBuilder $container)
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
            $container->setAlias('ibexa.core.io.service', TolerantIOService::class)->setPublic(true);
        }
    }

    class HandlerPass implements CompilerPassInterface
    {
        use MakesHandlers;

        public function __construct(private IbexaIOExtension $extension)
        {
        }

        public function process(ContainerBuilder $container)
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

        private function mapped(string $id): Reference
        {
            return new Reference($id);
        }
    }
}
