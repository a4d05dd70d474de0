<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\DependencyInjection\Compiler;

use Ezdfs\Bundle\Family;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;

/**
 * Has `io:migrate-files` refuse what would empty the files.
 */
final class FileMigratorPass implements CompilerPassInterface
{
    private const MIGRATOR = 'ezdfs.io.file_migrator';

    public function __construct(private readonly Family $family)
    {
    }

    public function process(ContainerBuilder $container): void
    {
        if ($container->has($this->family->fileMigrator())) {
            $container->register(self::MIGRATOR, $this->family->own('FileMigrator'))
                ->setDecoratedService($this->family->fileMigrator())
                ->setPublic(false)
                ->setArguments([
                    new Reference(self::MIGRATOR . '.inner'),
                    new Reference($this->family->registry('binarydata')),
                ]);
        }
    }
}
