<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

/**
 * A value object: filled by its constructor, readable from outside.
 */
trait HoldsValues
{
    public function __construct(array $values = [])
    {
        foreach ($values as $name => $value) {
            $this->$name = $value;
        }
    }

    public function __get(string $name): mixed
    {
        return $this->$name;
    }

    public function __isset(string $name): bool
    {
        return isset($this->$name);
    }
}
