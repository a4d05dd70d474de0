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
        if (self::isSeekable($stream)) {
            rewind($stream);
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
        $position = ftell($stream);
        $head = (string) stream_get_contents($stream, self::HEAD, 0);
        fseek($stream, (int) $position);

        return $head === '' ? null : ((new \finfo(\FILEINFO_MIME_TYPE))->buffer($head) ?: null);
    }

    private static function isSeekable(mixed $stream): bool
    {
        return \is_resource($stream) && (stream_get_meta_data($stream)['seekable'] ?? false);
    }
}
