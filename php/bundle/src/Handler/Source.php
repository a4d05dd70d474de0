<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

/**
 * The stream of a create struct.
 */
final class Source
{
    private const HEAD = 4096;

    /**
     * The stream at its beginning: whoever looked at the bytes before may have
     * left it elsewhere.
     *
     * @return resource
     */
    public static function rewound(object $createStruct)
    {
        $stream = $createStruct->getInputStream();
        if (self::isSeekable($stream) && !self::seek($stream, 0)) {
            throw new \RuntimeException("create \"$createStruct->id\": the source cannot be rewound");
        }

        return $stream;
    }

    /**
     * The MIME type by the first bytes, or what the struct says where they are
     * gone. For an upload the struct would repeat the client's word.
     */
    public static function mimeType(object $createStruct): ?string
    {
        $stream = $createStruct->getInputStream();
        if (!self::isSeekable($stream)) {
            return $createStruct->mimeType ?? null;
        }
        $position = (int) ftell($stream);
        if (!self::seek($stream, 0)) {
            return $createStruct->mimeType ?? null;
        }
        $head = (string) stream_get_contents($stream, self::HEAD);
        self::seek($stream, $position);

        return $head === '' ? null : ((new \finfo(\FILEINFO_MIME_TYPE))->buffer($head) ?: null);
    }

    /** Many a wrapper calls itself seekable and is not; it need not move. */
    private static function seek(mixed $stream, int $position): bool
    {
        return ftell($stream) === $position || @fseek($stream, $position) === 0;
    }

    private static function isSeekable(mixed $stream): bool
    {
        return \is_resource($stream) && (stream_get_meta_data($stream)['seekable'] ?? false);
    }
}
