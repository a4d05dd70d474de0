<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

/**
 * A stream whose every read runs a piece of the test, then yields a chunk;
 * `null` ends it.
 */
final class SlowStream
{
    public static ?\Closure $read = null;

    /** @var resource|null */
    public $context;

    private bool $isAtEnd = false;

    /** @return resource */
    public static function open(\Closure $read)
    {
        self::$read = $read;
        if (!\in_array('ezdfs-slow', stream_get_wrappers(), true)) {
            stream_wrapper_register('ezdfs-slow', self::class);
        }

        return fopen('ezdfs-slow://source', 'rb');
    }

    public function stream_open(): bool
    {
        return true;
    }

    public function stream_read(int $count): string
    {
        $chunk = (self::$read)($count);
        $this->isAtEnd = $chunk === null;

        return $chunk ?? '';
    }

    public function stream_eof(): bool
    {
        return $this->isAtEnd;
    }

    public function stream_stat(): array
    {
        return [];
    }
}
