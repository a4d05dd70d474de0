<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Tests\Support\Door;
use Ezdfs\Bundle\Tests\Support\Site;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use PHPUnit\Framework\Attributes\DataProvider;

/**
 * One table of scenarios, gone through by each door: the same answer for each.
 */
final class ScenarioTest extends SiteTestCase
{
    private const ID = 'images/1/a.png';

    /**
     * What is done before, what is asked, and the answer: a value, or the kind
     * of the exception.
     */
    private static function scenarios(): array
    {
        $create = static fn (Door $door) => $door->create(self::ID, self::PNG);
        $none = static fn () => null;
        $loseFile = static function (Door $door, Site $site) use ($create): void {
            $create($door);
            unlink($site->path(self::ID));
        };
        $loseRow = static function (Door $door, Site $site) use ($create): void {
            $create($door);
            $site->sql("DELETE FROM {$site->table()}");
        };
        $directory = static function (Door $door, Site $site) use ($create): void {
            $create($door);
            unlink($site->path(self::ID));
            mkdir($site->path(self::ID));
        };
        $unmount = static function (Door $door, Site $site) use ($create): void {
            $create($door);
            rename($site->path(''), $site->path('') . '.gone');
        };
        $empty = static function (Door $door, Site $site) use ($unmount): void {
            $unmount($door, $site);
            mkdir($site->path(''));
        };
        $dropTable = static fn (Door $door, Site $site) => $site->sql("ALTER TABLE {$site->table()} RENAME TO away");

        $exists = static fn (Door $door) => $door->exists(self::ID);
        $load = static fn (Door $door) => $door->load(self::ID)->size;
        $mime = static fn (Door $door) => $door->mimeType(self::ID);
        $contents = static fn (Door $door) => $door->contents(self::ID);
        $open = static fn (Door $door) => stream_get_contents($door->open(self::ID));
        $delete = static fn (Door $door) => $door->delete(self::ID);
        $ofId = static fn (string $method, string $id) => static fn (Door $door) => $door->$method($id);

        return [
            'load' => [$create, $load, \strlen(self::PNG)],
            'load the missing' => [$none, $load, 'notFound'],
            'load with a row and no file' => [$loseFile, $load, \strlen(self::PNG)],
            'exists' => [$create, $exists, true],
            'exists not' => [$none, $exists, false],
            'exists by its row alone' => [$loseFile, $exists, true],
            'exists not by its file alone' => [$loseRow, $exists, false],
            'the type is that of the bytes' => [$create, $mime, 'image/png'],
            'the type of the missing' => [$none, $mime, 'notFound'],
            'contents' => [$create, $contents, self::PNG],
            'contents of the missing' => [$none, $contents, 'notFound'],
            'contents with a row and no file' => [$loseFile, $contents, 'notFound'],
            'contents where a directory lies' => [$directory, $contents, 'failure'],
            'stream' => [$create, $open, self::PNG],
            'stream of the missing' => [$none, $open, 'notFound'],
            'delete' => [$create, $delete, null],
            'delete the missing' => [$none, $delete, 'notFound'],
            'delete with a row and no file' => [$loseFile, $delete, null],
            'delete with a file and no row' => [$loseRow, $delete, 'notFound'],
            'delete where a directory lies' => [$directory, $delete, null],
            'unmounted: contents' => [$unmount, $contents, 'failure'],
            'unmounted: stream' => [$unmount, $open, 'failure'],
            'unmounted: create' => [$unmount, $create, 'failure'],
            'unmounted: delete' => [$unmount, $delete, 'failure'],
            'a bare mount point: contents' => [$empty, $contents, 'failure'],
            'a bare mount point: create' => [$empty, $create, 'failure'],
            'a bare mount point: delete' => [$empty, $delete, 'failure'],
            'a bare mount point: delete a directory' => [
                $empty,
                static fn (Door $door) => $door->deleteDirectory('images/1'),
                'failure',
            ],
            'no table: load' => [$dropTable, $load, 'failure'],
            'no table: exists' => [$dropTable, $exists, 'failure'],
            'no table: create' => [$dropTable, $create, 'failure'],
            'an id with an empty segment exists not' => [$none, $ofId('exists', 'images//a.png'), false],
            'an id with an empty segment is missing' => [$none, $ofId('load', 'images//a.png'), 'notFound'],
            'an id that climbs is missing' => [$none, $ofId('contents', 'images/../../etc/passwd'), 'notFound'],
            'an id that climbs is no file' => [$none, static fn (Door $door) => $door->create('images/../a', 'x'), 'failure'],
            'no directory is the whole' => [$create, static fn (Door $door) => $door->deleteDirectory(''), 'failure'],
            'too short a source' => [$none, static fn (Door $door) => $door->create(self::ID, 'abc', 4), 'failure'],
            'too long a source' => [$none, static fn (Door $door) => $door->create(self::ID, 'abcde', 4), 'failure'],
            'an empty file' => [
                $none,
                static fn (Door $door) => [$door->create(self::ID, '')->size, $door->contents(self::ID)],
                [0, ''],
            ],
        ];
    }

    /** @return iterable<string, array> */
    public static function rows(): iterable
    {
        foreach (array_keys(self::doors()) as $door) {
            foreach (array_keys(self::scenarios()) as $name) {
                yield "$door: $name" => [$door, $name];
            }
        }
    }

    /** @dataProvider rows */
    #[DataProvider('rows')]
    public function testTheAnswerIs(string $door, string $name): void
    {
        $door = new (self::doors()[$door][0])($this->site);
        [$before, $ask, $expected] = self::scenarios()[$name];
        $this->site->boot();
        try {
            $before($door, $this->site);
            if (\in_array($expected, ['notFound', 'failure'], true)) {
                $this->assertInstanceOf($door->$expected(), $this->thrownBy(fn () => $ask($door)));
            } else {
                $this->assertSame($expected, $ask($door));
            }
        } finally {
            if (str_starts_with($name, 'no table')) {
                $this->site->sql("ALTER TABLE away RENAME TO {$this->site->table()}");
            }
        }
        if (str_starts_with($name, 'too ')) {
            $this->assertSame([], $this->site->files());
            $this->assertNull($this->site->row(self::ID));
        }
        if (str_starts_with($name, 'delete with')) {
            $this->assertSame([], $this->site->files(), 'a file without a row is removed, too');
            $this->assertNull($this->site->row(self::ID));
        }
        if (str_starts_with($name, 'a bare mount point')) {
            $this->assertSame([], $this->site->files(), 'nothing is written there');
        }
        if ($name === 'unmounted: delete') {
            $this->assertFalse(is_dir($this->site->path('')), 'nothing is made where the mount was');
        }
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testWhatCreateReturnsIsWhatLoadReturns(string $class): void
    {
        $door = new $class($this->site);
        $before = time();
        foreach ([$door->create(self::ID, self::PNG), $door->load(self::ID)] as $file) {
            $this->assertSame(self::ID, $file->id);
            $this->assertSame(\strlen(self::PNG), $file->size);
            $this->assertInstanceOf(\DateTime::class, $file->mtime);
            $this->assertGreaterThanOrEqual($before, $file->mtime->getTimestamp());
            if (property_exists($file, 'mimeType')) {
                $this->assertSame('image/png', $file->mimeType);
            }
        }
        $this->assertSame((int) $this->site->row(self::ID)['mtime'], $file->mtime->getTimestamp());
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testTheStreamIsARealOne(string $class): void
    {
        $door = new $class($this->site);
        $door->create(self::ID, '0123456789');
        $stream = $door->open(self::ID);

        $copy = fopen('php://memory', 'w+b');
        stream_copy_to_stream($stream, $copy, 3, 5);
        rewind($copy);
        $this->assertSame('567', stream_get_contents($copy));
        $this->assertSame(10, fstat($stream)['size']);
        $this->assertTrue(stream_get_meta_data($stream)['seekable']);
        rewind($stream);
        $this->assertSame('0123456789', stream_get_contents($stream));
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testADirectoryGoesByBytesAlone(string $class): void
    {
        $door = new $class($this->site);
        $kept = ['images/_aliases/Large/a', 'images/_aliases/aXb/a', 'images/_aliases/largest/a', 'images/_aliases/lärge/a'];
        foreach (['images/_aliases/large/a', 'images/_aliases/large/b/c', 'images/_aliases/a_b/a', ...$kept] as $id) {
            $door->create($id, 'x');
            touch($this->site->path($id), time() - 86400);
        }
        $door->deleteDirectory('images/_aliases/large');
        $door->deleteDirectory('images/_aliases/a_b/');
        $door->deleteDirectory('images/_aliases/none');

        $files = array_filter($this->site->files(), fn (string $id) => is_file($this->site->path($id)));
        sort($kept);
        $this->assertSame($kept, array_values($files));
        foreach ($kept as $id) {
            $this->assertTrue($door->exists($id), $id);
        }
        $this->assertCount(4, $this->site->sql("SELECT name FROM {$this->site->table()}"));
    }
}
