<?php

declare(strict_types=1);

function store(array $options = []): Ezdfs\Store
{
    return new Ezdfs\Store($options + [
        'dsn' => getenv('BENCH_DSN'),
        'root' => getenv('BENCH_ROOT'),
        'name_prefix' => 'var/site/storage',
        'durability' => 'rename',
    ]);
}
