<?php

/**
 * The extension ezdfs, for IDEs and static analysers. Not loaded by anything.
 *
 * All methods of the store may throw, besides what they list:
 * UnavailableException (database or mount gone or silent; worth a retry),
 * InvalidConfigException (the database rejects the options), SchemaException
 * (the table is missing or has another shape), StorageException (the file
 * system failed) and InternalException (a bug in ezdfs).
 */

namespace Ezdfs {

    /**
     * What a store does.
     *
     * Arguments are taken as PHP's own functions take theirs: of other types under strict_types
     * they are a TypeError, without it they are converted where that can be.
     *
     * An id is relative, without a leading slash: `images/3/6/4/6/6463-1-eng-GB/a.png`.
     */
    interface StoreInterface
    {
        /**
         * Stores what a stream yields from where it stands to its end, replacing what was there.
         *
         * Readers see the old file or the whole new one, never a part. Afterwards the stream is
         * at its end; after a failure it stands anywhere.
         *
         * @param resource|\SplFileObject $source any readable stream; a plain file is read by its
         *     descriptor. An SplFileObject stands where its ftell() says, a loop's current line
         *     is behind it.
         * @param array{mime_type?: ?string, size?: ?int, mtime?: int|\DateTimeInterface|null} $options
         *     without mime_type it is found from the first bytes; size is what the source must have;
         *     without mtime it is now
         * @throws Exception\InvalidNameException
         * @throws Exception\InvalidInputException not readable, not as long as declared, an option that cannot be
         * @throws \TypeError neither an open stream nor an SplFileObject
         */
        public function create(string $id, mixed $source, array $options = []): FileInfo;

        /**
         * Stores a string. As create().
         *
         * @param array{mime_type?: ?string, size?: ?int, mtime?: int|\DateTimeInterface|null} $options
         * @throws Exception\InvalidNameException
         * @throws Exception\InvalidInputException
         */
        public function createFromString(string $id, string $contents, array $options = []): FileInfo;

        /**
         * What the table says of a file. Does not touch the mount.
         *
         * @throws Exception\InvalidNameException
         * @throws Exception\NotFoundException no live row
         */
        public function load(string $id): FileInfo;

        /**
         * Whether there is a live row. Does not touch the mount.
         *
         * @throws Exception\InvalidNameException
         */
        public function exists(string $id): bool;

        /**
         * The MIME type that the table has.
         *
         * @throws Exception\InvalidNameException
         * @throws Exception\NotFoundException
         */
        public function mimeType(string $id): string;

        /**
         * All bytes of a file. They count against memory_limit: see open().
         *
         * @throws Exception\InvalidNameException
         * @throws Exception\NotFoundException no live row, or its file is missing
         */
        public function read(string $id): string;

        /**
         * The stream that fopen() with mode `rb` makes of the file on the mount.
         *
         * It goes on to show the file that was opened, even when that is replaced or deleted.
         * Then the `uri` of stream_get_meta_data(), the file's path below the root, leads
         * elsewhere or nowhere: read the stream, not the path.
         *
         * @return resource
         * @throws Exception\InvalidNameException
         * @throws Exception\NotFoundException no live row, or its file is missing
         */
        public function open(string $id): mixed;

        /**
         * Deletes a file: its row, live or not, then its bytes.
         *
         * @throws Exception\InvalidNameException
         * @throws Exception\NotFoundException no row
         */
        public function delete(string $id): void;

        /**
         * Deletes all files below a directory, which need not exist.
         *
         * @return int how many rows were deleted
         * @throws Exception\InvalidNameException also for an empty directory
         */
        public function deleteDirectory(string $dir): int;

        /**
         * Gives a file another id, replacing what was there.
         *
         * @throws Exception\InvalidNameException
         * @throws Exception\NotFoundException
         */
        public function rename(string $from, string $to): FileInfo;

        /**
         * The URI of a file, by url_prefix. Does not ask whether the file exists.
         *
         * @throws Exception\InvalidNameException
         */
        public function uri(string $id): string;

        /**
         * The id in a URI that uri() made.
         *
         * @throws Exception\InvalidNameException the URI does not begin with url_prefix
         */
        public function idFromUri(string $uri): string;

        /**
         * The live files below a directory, or all, in the byte order of their names.
         *
         * Fetched in batches while the loop runs; files written meanwhile may show or not.
         *
         * @return \Iterator<int, FileInfo>
         * @throws Exception\InvalidNameException
         */
        public function list(string $dir = ''): \Iterator;

        /**
         * Checks that the table is there and fits.
         *
         * @throws Exception\SchemaException
         */
        public function checkSchema(): void;

        /**
         * Creates the table where it is missing, then checks it.
         *
         * @throws Exception\SchemaException
         */
        public function createSchema(): void;

        /**
         * Writes a row alone, for kernels that keep the bytes elsewhere.
         *
         * The type need not be one: legacy's rows have words such as `misc`, or nothing.
         *
         * @throws Exception\InvalidNameException
         * @throws Exception\InvalidInputException
         */
        public function putMetadata(
            string $id,
            int $size,
            \DateTimeInterface $mtime,
            ?string $mimeType = null
        ): FileInfo;

        /**
         * Deletes a row alone, live or not.
         *
         * @throws Exception\InvalidNameException
         * @throws Exception\NotFoundException no row
         */
        public function deleteMetadata(string $id): void;

        /**
         * Deletes all rows below a directory, and no files.
         *
         * @return int how many
         * @throws Exception\InvalidNameException
         */
        public function deleteMetadataDirectory(string $dir): int;

        /**
         * Writes bytes alone, for kernels that keep the metadata elsewhere.
         *
         * @param resource|\SplFileObject $source as of create()
         * @param ?int $size how many bytes the source must have
         * @return int how many bytes
         * @throws Exception\InvalidNameException
         * @throws Exception\InvalidInputException not readable, or not as long as declared: what was there stays
         * @throws \TypeError neither an open stream nor an SplFileObject
         */
        public function putData(string $id, mixed $source, ?int $size = null): int;

        /**
         * All bytes of a file, whatever the table says.
         *
         * @throws Exception\InvalidNameException
         * @throws Exception\NotFoundException the file is missing from a live mount
         */
        public function readData(string $id): string;

        /**
         * A stream as of open(), whatever the table says.
         *
         * @return resource
         * @throws Exception\InvalidNameException
         * @throws Exception\NotFoundException the file is missing from a live mount
         */
        public function openData(string $id): mixed;

        /**
         * Deletes bytes alone; nothing where there are none.
         *
         * @throws Exception\InvalidNameException
         */
        public function deleteData(string $id): void;

        /**
         * Deletes all bytes below a directory, and no rows. What a store has lately begun to write
         * there stays.
         *
         * @throws Exception\InvalidNameException
         */
        public function deleteDataDirectory(string $dir): void;
    }

    /**
     * Files whose metadata stand in a database table and whose bytes lie on a mount.
     *
     * Making one is cheap: a process keeps one store, with its connections and its cache, for
     * each set of options, and the stores outlive the request. All calls block.
     *
     * Code that is handed a store should ask for a StoreInterface, which tests can double.
     */
    final class Store implements StoreInterface
    {
        /**
         * Takes the options of php.ini (`ezdfs.KEY`), then those given here.
         *
         * Does not connect. Stack traces do not show the options, where PHP is 8.2 or later.
         *
         * @param array<string, string|int|null> $options dsn, root, name_prefix, url_prefix, table,
         *     ...: see php/README.md. A null leaves it to php.ini. An integer for file_mode or
         *     dir_mode is a permission (0644), not its decimal digits (644, which are refused).
         * @throws Exception\InvalidConfigException an option is unknown, missing or malformed
         */
        public function __construct(#[\SensitiveParameter] array $options) {}

        public function create(string $id, mixed $source, array $options = []): FileInfo {}

        public function createFromString(string $id, string $contents, array $options = []): FileInfo {}

        public function load(string $id): FileInfo {}

        public function exists(string $id): bool {}

        public function mimeType(string $id): string {}

        public function read(string $id): string {}

        public function open(string $id): mixed {}

        public function delete(string $id): void {}

        public function deleteDirectory(string $dir): int {}

        public function rename(string $from, string $to): FileInfo {}

        public function uri(string $id): string {}

        public function idFromUri(string $uri): string {}

        public function list(string $dir = ''): \Iterator {}

        public function checkSchema(): void {}

        public function createSchema(): void {}

        public function putMetadata(
            string $id,
            int $size,
            \DateTimeInterface $mtime,
            ?string $mimeType = null
        ): FileInfo {}

        public function deleteMetadata(string $id): void {}

        public function deleteMetadataDirectory(string $dir): int {}

        public function putData(string $id, mixed $source, ?int $size = null): int {}

        public function readData(string $id): string {}

        public function openData(string $id): mixed {}

        public function deleteData(string $id): void {}

        public function deleteDataDirectory(string $dir): void {}

        /**
         * What this process has counted since it was started: a worker of php-fpm for all its
         * requests. Keys are the metrics of docs/metrics.md without `ezdfs_` and `_total`, then
         * the value of the label where there is one. What takes time is an array of count, sum
         * (seconds) and buckets (cumulative, by their upper bounds in seconds).
         *
         * @return array<string, int|float|array<string, int|float|array<string, mixed>>>
         */
        public function stats(): array {}
    }

    /** What the table says of a file. */
    final class FileInfo
    {
        public readonly string $id;

        /** Bytes. */
        public readonly int $size;

        /** In UTC. */
        public readonly \DateTimeImmutable $mtime;

        /** As it stands in the table: legacy kernels store words such as `misc`. */
        public readonly string $mimeType;

        public readonly string $scope;

        /** As Store::uri(). */
        public readonly string $uri;

        /** For doubles of a store: a store makes its own. */
        public function __construct(
            string $id,
            int $size,
            \DateTimeImmutable $mtime,
            string $mimeType,
            string $scope,
            string $uri
        ) {}
    }

    /**
     * What Store::list() returns.
     *
     * @implements \Iterator<int, FileInfo>
     */
    final class FileIterator implements \Iterator
    {
        private function __construct() {}

        public function current(): mixed {}

        public function key(): int {}

        public function next(): void {}

        public function rewind(): void {}

        public function valid(): bool {}
    }
}

namespace Ezdfs\Exception {

    /**
     * What a store throws. getCode() is the number that the C interface has for the kind of error.
     *
     * The message begins with what the store was at, which may be a part of what was called: a
     * rename() that finds no file says `open "images/1/a.jpg": not found`. That is what the other
     * doors log, too.
     */
    class EzdfsException extends \RuntimeException
    {
        /** The method that was called, such as `createFromString`; `list` for what its loop meets. */
        final public function getOperation(): string {}

        /** What it failed on: an id, an option, a table, a host. */
        final public function getSubject(): string {}
    }

    /** No live row, or its file is missing from a live mount. */
    class NotFoundException extends EzdfsException {}

    /** The id, directory or URI is not one that a file can have. */
    class InvalidNameException extends EzdfsException {}

    /** The database or the mount did not answer, or refused for now. */
    class UnavailableException extends EzdfsException {}

    /** An option is unknown, missing, malformed, or rejected by the server. */
    class InvalidConfigException extends EzdfsException {}

    /** The bytes or the metadata handed in contradict themselves or the table. */
    class InvalidInputException extends EzdfsException {}

    /** The metadata table is missing or has the wrong shape. */
    class SchemaException extends EzdfsException {}

    /** The file system failed: no permission, an I/O error, something that is no file. */
    class StorageException extends EzdfsException {}

    /** The file exists or not, but this request may not have it. */
    class DeniedException extends EzdfsException {}

    /** The file system is full, or the quota is used up. */
    class NoSpaceException extends EzdfsException {}

    /** A bug in ezdfs. The process lives on. */
    class InternalException extends EzdfsException {}
}
