<?php

/*
 * What a PHP without the extension says, when it compiles the container and
 * when it runs one that another PHP has compiled.
 */

declare(strict_types=1);

use Ezdfs\Bundle\EzdfsBundle;
use Ezdfs\Bundle\Handler\Stores;
use Symfony\Component\DependencyInjection\ContainerBuilder;

require \dirname(__DIR__) . '/bootstrap.php';

$attempts = [
    static fn () => (new EzdfsBundle())->build(new ContainerBuilder()),
    static fn () => (new Stores())->get(['dsn' => 'sqlite:/nonexistent', 'root' => '/']),
];
foreach ($attempts as $attempt) {
    try {
        $attempt();
        echo "nothing was thrown\n";
    } catch (Throwable $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
