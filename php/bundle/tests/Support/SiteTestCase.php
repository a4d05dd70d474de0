<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

use PHPUnit\Framework\TestCase;

abstract class SiteTestCase extends TestCase
{
    public const PNG = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0";

    protected Site $site;

    protected function setUp(): void
    {
        $this->site = new Site();
    }

    protected function tearDown(): void
    {
        $this->site->remove();
    }

    /** @return array<string, array{class-string<Door>}> */
    public static function doors(): array
    {
        return ['handlers' => [HandlersDoor::class], 'service' => [ServiceDoor::class]];
    }

    /** The exception that a call ends with. */
    protected function thrownBy(callable $call): \Throwable
    {
        try {
            $call();
        } catch (\Throwable $e) {
            return $e;
        }
        $this->fail('nothing was thrown');
    }
}
