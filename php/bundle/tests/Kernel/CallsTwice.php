<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

/**
 * What a tolerant IO service asks of its handlers, and in which order: data
 * before metadata to create, metadata before data to delete.
 */
trait CallsTwice
{
    private string $prefix = '';

    /** @var list<string> */
    public array $log = [];

    public function __construct(private object $metadataHandler, private object $binarydataHandler, private object $detector)
    {
    }

    private function full(string $id): string
    {
        return $this->prefix . $id;
    }

    private function short(string $id): string
    {
        if (!str_starts_with($id, $this->prefix)) {
            throw $this->badPrefix($id);
        }

        return substr($id, \strlen($this->prefix));
    }

    private function note(string $subject): void
    {
        $this->log[] = $subject;
    }

    private function make(object $values): object
    {
        $create = $this->createStruct();
        $create->id = $this->full($values->id);
        $create->size = $values->size;
        $create->mtime = new \DateTime();
        $create->mimeType = $values->mimeType;
        $create->setInputStream($values->inputStream);
        try {
            $this->binarydataHandler->create($create);
        } catch (\Exception $e) {
            throw $this->failure('no data', $e);
        }

        return $this->present($this->metadataHandler->create($create));
    }

    private function present(object $stored): object
    {
        $stored->uri ??= $this->binarydataHandler->getUri($stored->id);

        return $this->value($stored, $this->short($stored->id));
    }

    private function find(string $id): object
    {
        if ($id === '' || $id[0] === '/') {
            throw $this->badId($id);
        }
        try {
            return $this->present($this->metadataHandler->load($this->full($id)));
        } catch (\Exception $e) {
            if (!$this->isMissing($e)) {
                throw $e;
            }
            $this->note($id);

            return $this->missing($id, $this->binarydataHandler->getUri($this->full($id)));
        }
    }

    private function findByUri(string $uri): object
    {
        $id = $this->binarydataHandler->getIdFromUri($uri);
        if (!str_starts_with($id, $this->prefix)) {
            $this->note($uri);

            return $this->missing($id, $uri);
        }

        return $this->find($this->short($id));
    }

    private function remove(object $file): void
    {
        $isKnown = true;
        foreach ([$this->metadataHandler, $this->binarydataHandler] as $handler) {
            try {
                $handler->delete($this->full($file->id));
            } catch (\Exception $e) {
                if (!$this->isMissing($e)) {
                    throw $e;
                }
                if ($isKnown) {
                    $this->note($file->uri);
                }
                $isKnown = false;
            }
        }
    }

    private function removeDirectory(string $path): void
    {
        $this->metadataHandler->deleteDirectory($this->full($path));
        $this->binarydataHandler->deleteDirectory($this->full($path));
    }
}
