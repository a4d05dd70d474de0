<?php

/*
 * What the bundle needs of ezplatform-kernel 1.3: its names and its signatures,
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

namespace eZ\Publish\Core\Base\Exceptions {
    class InvalidArgumentException extends \InvalidArgumentException
    {
        public function __construct($argumentName, $whatIsWrong, ?\Exception $previous = null)
        {
            parent::__construct("$argumentName: $whatIsWrong", 0, $previous);
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
        public function __construct($path, ?\Exception $previous = null)
        {
            parent::__construct("no file $path", 404, $previous);
        }
    }

    class IOException extends \RuntimeException
    {
        public function __construct($message, ?\Exception $e = null)
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
    use Ezdfs\Bundle\Tests\Kernel\WritesInPlace;

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
