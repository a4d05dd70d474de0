<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Download;

/**
 * The part of a file that a request asks for, by RFC 9110.
 */
final class Range
{
    private function __construct(
        public readonly int $first,
        public readonly int $length,
        private readonly int $size,
        public readonly bool $isPart = true,
        public readonly bool $isSatisfiable = true,
    ) {
    }

    /**
     * One range at most: several, another unit or nonsense ask for the whole.
     */
    public static function parse(string $header, int $size): self
    {
        $whole = new self(0, $size, $size, false);
        if (!preg_match('/^bytes=\s*(\d{0,18})-(\d{0,18})\s*$/i', $header, $match)) {
            return $whole;
        }
        [, $first, $last] = $match;
        if ($first === '') {
            return $last === '' ? $whole : self::suffix((int) $last, $size);
        }
        $first = (int) $first;
        if ($last !== '' && (int) $last < $first) {
            return $whole;
        }
        if ($first >= $size) {
            return new self(0, 0, $size, false, false);
        }
        $last = $last === '' ? $size - 1 : min((int) $last, $size - 1);

        return new self($first, $last - $first + 1, $size);
    }

    private static function suffix(int $length, int $size): self
    {
        if ($length === 0 || $size === 0) {
            return new self(0, 0, $size, false, false);
        }
        $length = min($length, $size);

        return new self($size - $length, $length, $size);
    }

    /** The value of Content-Range. */
    public function header(): string
    {
        return $this->isSatisfiable
            ? sprintf('bytes %d-%d/%d', $this->first, $this->first + $this->length - 1, $this->size)
            : "bytes */$this->size";
    }
}
