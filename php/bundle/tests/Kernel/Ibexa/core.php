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

namespace Ibexa\Core\Base\Exceptions {
    class InvalidArgumentException extends \InvalidArgumentException
    {
        public function __construct(string $argumentName, string $whatIsWrong, ?\Exception $previous = null)
        {
            parent::__construct("$argumentName: $whatIsWrong", 0, $previous);
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
    use Ezdfs\Bundle\Tests\Kernel\WritesInPlace;

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

    final class InPlaceHandler implements IOBinarydataHandler
    {
        use WritesInPlace;

        private function missing(string $id): \Exception
        {
            return new Exception\BinaryFileNotFoundException($id);
        }
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
