<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

use Symfony\Component\Config\Definition\Builder\TreeBuilder;
use Symfony\Component\Config\Definition\Processor;

/**
 * The handlers' part of an IO extension: types are added by bundles, handlers
 * by configuration.
 */
trait ConfiguresHandlers
{
    /** @var array<string, \ArrayObject> */
    private array $types;

    public function __construct()
    {
        $this->types = ['metadata' => new \ArrayObject(), 'binarydata' => new \ArrayObject()];
    }

    public function types(string $half): \ArrayObject
    {
        return $this->types[$half];
    }

    private function configured(array $configs): array
    {
        $tree = new TreeBuilder($this->getAlias());
        $halves = $tree->getRootNode()->children();
        foreach ($this->types as $half => $types) {
            $handler = $halves->arrayNode("{$half}_handlers")->useAttributeAsKey('name')
                ->prototype('array')->performNoDeepMerging()->children();
            foreach ($types as $type => $factory) {
                $factory->addConfiguration($handler->arrayNode($type)->canBeUnset());
            }
        }
        $config = (new Processor())->process($tree->buildTree(), $configs);
        $handlers = [];
        foreach (array_keys($this->types) as $half) {
            $handlers[$half] = [];
            foreach ($config["{$half}_handlers"] ?? [] as $name => $byType) {
                $handlers[$half][$name] = ['type' => key($byType), 'name' => $name] + current($byType);
            }
        }

        return $handlers;
    }
}
