<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

/**
 * What a kernel's create struct says of a file.
 *
 * Ibexa 5 declares the types of its properties and leaves unset what it does
 * not know: reading that is an Error. The older kernels have null there.
 */
final class CreateStruct
{
    private const HEAD = 4096;
    private const FILE_TYPE = 0170000;
    private const REGULAR = 0100000;

    public function __construct(private readonly object $struct, private readonly Kernel $kernel)
    {
    }

    /** The id of what is to be created. */
    public function id(): string
    {
        $id = (string) $this->struct->id;
        if (str_contains($id, '\\')) {
            throw $this->failure('a backslash in an id is a slash on the mount, where two ids would have one file');
        }

        return $id;
    }

    /** The size that was declared; null where none was. */
    public function size(): ?int
    {
        $size = $this->struct->size ?? null;
        if ($size !== null && filter_var($size, \FILTER_VALIDATE_INT) === false) {
            throw $this->failure('size must be an integer');
        }

        return $size === null ? null : (int) $size;
    }

    /** The size for a row: what was declared, else that of the source. */
    public function sizeOfRow(): int
    {
        return $this->size() ?? $this->sizeOfFile() ?? throw $this->failure('it has no size, and no file to ask for it');
    }

    /** The size of the source where that is a file, on a disk or in memory. */
    private function sizeOfFile(): ?int
    {
        $stream = $this->stream();
        $status = \is_resource($stream) && stream_is_local($stream) ? fstat($stream) : false;

        return $status && ($status['mode'] & self::FILE_TYPE) === self::REGULAR ? $status['size'] : null;
    }

    public function mtime(): \DateTimeInterface
    {
        $mtime = $this->struct->mtime ?? null;

        return $mtime instanceof \DateTimeInterface
            ? $mtime
            : throw $this->kernel->invalidArgument('mtime', "create \"{$this->struct->id}\": it must be a date");
    }

    /**
     * The stream at its beginning: whoever looked at the bytes before may have
     * left it elsewhere.
     *
     * @return resource
     */
    public function rewound()
    {
        $stream = $this->stream();
        if (!\is_resource($stream)) {
            throw $this->failure('it has no stream');
        }
        if (self::isSeekable($stream) && !self::seek($stream, 0)) {
            throw $this->failure('the source cannot be rewound');
        }

        return $stream;
    }

    /**
     * The MIME type by the first bytes: for an upload the struct would repeat
     * the client's word. What the struct says where it has no bytes, or they
     * are gone.
     */
    public function mimeType(): ?string
    {
        $stream = $this->stream();
        if (!self::isSeekable($stream)) {
            return $this->struct->mimeType ?? null;
        }
        $position = (int) ftell($stream);
        if (!self::seek($stream, 0)) {
            return $this->struct->mimeType ?? null;
        }
        $head = (string) stream_get_contents($stream, self::HEAD);
        self::seek($stream, $position);

        return $head === '' ? null : ((new \finfo(\FILEINFO_MIME_TYPE))->buffer($head) ?: null);
    }

    public function failure(string $reason): \Throwable
    {
        return $this->kernel->failure("create \"{$this->struct->id}\": $reason");
    }

    private function stream(): mixed
    {
        try {
            return $this->struct->getInputStream();
        } catch (\Error) {
            return null;
        }
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
