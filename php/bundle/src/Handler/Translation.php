<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

use Ezdfs\Exception\EzdfsException;
use Ezdfs\Exception\InvalidNameException;
use Ezdfs\Exception\NotFoundException;

/**
 * Calls a store and lets the kernel's exceptions out.
 */
trait Translation
{
    /**
     * @template T
     *
     * @param \Closure(): T $call
     *
     * @return T
     */
    private function find(string $id, \Closure $call): mixed
    {
        try {
            return $call();
        } catch (NotFoundException | InvalidNameException $e) {
            // A name that no file can have is that of a missing file.
            throw $this->kernel->notFound($id, $e);
        } catch (EzdfsException $e) {
            // Never "not found": a 404 would be cached, and a placeholder written over the file.
            throw $this->kernel->failure($e->getMessage(), $e);
        }
    }

    /**
     * @template T
     *
     * @param \Closure(): T $call
     *
     * @return T
     */
    private function change(\Closure $call): mixed
    {
        try {
            return $call();
        } catch (EzdfsException $e) {
            throw $this->kernel->failure($e->getMessage(), $e);
        }
    }
}
