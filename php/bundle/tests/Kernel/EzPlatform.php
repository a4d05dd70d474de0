<?php

/*
 * What the bundle needs of ezpublish-kernel 7: its names and its signatures,
 * with just enough behind them to run.
 */

declare(strict_types=1);

namespace eZ\Publish\SPI\IO {
    class BinaryFile
    {
        public $id;
        public $size;
        public $mtime;
        public $uri;
        public $mimeType;
    }

    class BinaryFileCreateStruct
    {
        public $id;
        public $size;
        public $mtime;
        public $mimeType;
        private $stream;

        public function getInputStream()
        {
            return $this->stream;
        }

        public function setInputStream($stream)
        {
            $this->stream = $stream;
        }
    }
}

namespace eZ\Publish\Core\IO\Values {
    use Ezdfs\Bundle\Tests\Kernel\HoldsValues;

    class BinaryFile
    {
        use HoldsValues;

        protected $id;
        protected $size;
        protected $mtime;
        protected $uri;
        public $mimeType;
    }

    class MissingBinaryFile extends BinaryFile
    {
    }

    class BinaryFileCreateStruct
    {
        use HoldsValues;

        public $id;
        public $size;
        public $inputStream;
        public $mimeType;
    }
}

namespace eZ\Publish\Core\IO\Exception {
    class BinaryFileNotFoundException extends \Exception
    {
        public function __construct($path, \Exception $previous = null)
        {
            parent::__construct("no file $path", 404, $previous);
        }
    }

    class IOException extends \RuntimeException
    {
        public function __construct($message, \Exception $e = null)
        {
            parent::__construct($message, 0, $e);
        }
    }

    class InvalidBinaryFileIdException extends \InvalidArgumentException
    {
    }
}

namespace eZ\Publish\Core\IO {
    use eZ\Publish\SPI\IO\BinaryFileCreateStruct;
    use Ezdfs\Bundle\Tests\Kernel\CallsTwice;
    use Ezdfs\Bundle\Tests\Kernel\Prefixes;

    interface UrlDecorator
    {
        public function decorate($uri);

        public function undecorate($uri);
    }

    interface IOMetadataHandler
    {
        public function create(BinaryFileCreateStruct $spiBinaryFileCreateStruct);

        public function delete($spiBinaryFileId);

        public function load($spiBinaryFileId);

        public function exists($spiBinaryFileId);

        public function getMimeType($spiBinaryFileId);

        public function deleteDirectory($spiPath);
    }

    interface IOBinarydataHandler
    {
        public function create(BinaryFileCreateStruct $binaryFileCreateStruct);

        public function delete($spiBinaryFileId);

        public function getContents($spiBinaryFileId);

        public function getResource($spiBinaryFileId);

        public function getUri($spiBinaryFileId);

        public function getIdFromUri($binaryFileUri);

        public function deleteDirectory($spiPath);
    }

    interface IOServiceInterface
    {
        public function setPrefix($prefix);

        public function exists($binaryFileId);

        public function loadBinaryFile($binaryFileId);

        public function loadBinaryFileByUri($binaryFileUri);

        public function getFileContents(Values\BinaryFile $binaryFile);

        public function createBinaryFile(Values\BinaryFileCreateStruct $binaryFileCreateStruct);

        public function getMimeType($binaryFileId);

        public function getFileInputStream(Values\BinaryFile $binaryFile);

        public function deleteBinaryFile(Values\BinaryFile $binaryFile);

        public function deleteDirectory($path);
    }

    class PrefixDecorator implements UrlDecorator
    {
        use Prefixes;

        public function decorate($uri)
        {
            return $this->add($uri);
        }

        public function undecorate($uri)
        {
            return $this->remove($uri) ?? throw new Exception\InvalidBinaryFileIdException($uri);
        }
    }

    class TolerantIOService implements IOServiceInterface
    {
        use CallsTwice;

        public function setPrefix($prefix)
        {
            $this->prefix = $prefix . '/';
        }

        public function exists($id)
        {
            return $this->metadataHandler->exists($this->full($id));
        }

        public function loadBinaryFile($id)
        {
            return $this->find($id);
        }

        public function loadBinaryFileByUri($uri)
        {
            return $this->findByUri($uri);
        }

        public function getFileContents(Values\BinaryFile $file)
        {
            return $this->binarydataHandler->getContents($this->full($file->id));
        }

        public function createBinaryFile(Values\BinaryFileCreateStruct $struct)
        {
            return $this->make($struct);
        }

        public function getMimeType($id)
        {
            return $this->metadataHandler->getMimeType($this->full($id));
        }

        public function getFileInputStream(Values\BinaryFile $file)
        {
            return $this->binarydataHandler->getResource($this->full($file->id));
        }

        public function deleteBinaryFile(Values\BinaryFile $file)
        {
            $this->remove($file);
        }

        public function deleteDirectory($path)
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

            return new Values\BinaryFile($values + ['uri' => $stored->uri, 'mimeType' => $stored->mimeType]);
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

        public function prepare(Request $request)
        {
            return $this;
        }

        public function sendContent()
        {
            return $this;
        }
    }

    class EzPublishIOBundle extends \Symfony\Component\HttpKernel\Bundle\Bundle
    {
        public function build(\Symfony\Component\DependencyInjection\ContainerBuilder $container)
        {
            $container->addCompilerPass(new DependencyInjection\HandlerPass($this->getContainerExtension()));
        }

        public function getContainerExtension(): ?\Symfony\Component\DependencyInjection\Extension\ExtensionInterface
        {
            return $this->extension = $this->extension ?: new DependencyInjection\EzPublishIOExtension();
        }
    }
}

namespace eZ\Bundle\EzPublishIOBundle\DependencyInjection {
    use eZ\Publish\Core\IO\IOBinarydataHandler;
    use eZ\Publish\Core\IO\IOMetadataHandler;
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
    use Symfony\Component\ExpressionLanguage\Expression;

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

        public function getAlias()
        {
            return 'ez_io';
        }

        public function load(array $configs, ContainerBuilder $container)
        {
            $interfaces = ['metadata' => IOMetadataHandler::class, 'binarydata' => IOBinarydataHandler::class];
            $arguments = [];
            foreach ($this->configured($configs) as $half => $handlers) {
                $container->setParameter("ez_io.{$half}_handlers", $handlers);
                $factory = "ezpublish.core.io.{$half}_handler.factory";
                $container->register($factory, Registry::class)
                    ->setPublic(true)->setArguments([new Reference('service_container')]);
                $name = "service('ezpublish.config.resolver').getParameter('io.{$half}_handler')";
                $container->register("ezpublish.core.io.{$half}_handler", $interfaces[$half])
                    ->setFactory([new Reference($factory), 'getConfiguredHandler'])
                    ->setPublic(true)->setArguments([new Expression($name)]);
                $arguments[] = new Reference("ezpublish.core.io.{$half}_handler");
            }
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

        public function process(ContainerBuilder $container)
        {
            foreach (['metadata', 'binarydata'] as $half) {
                $handlers = $container->getParameter("ez_io.{$half}_handlers");
                $registry = "ezpublish.core.io.{$half}_handler.factory";
                $this->make($container, $half, $handlers, $this->extension->types($half), $registry);
            }
        }

        private function configure(object $factory, ContainerBuilder $container, ServiceDefinition $definition, array $config): void
        {
            $factory->configureHandler($definition, $config);
        }

        private function mapped(string $id): string
        {
            return $id;
        }
    }
}
