<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Tests\Support\HandlersDoor;
use Ezdfs\Bundle\Tests\Support\PhpNode;
use Ezdfs\Bundle\Tests\Support\ServiceDoor;
use Ezdfs\Bundle\Tests\Support\Site;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use PHPUnit\Framework\Attributes\DataProvider;

/**
 * The two handlers, and the pair, beside each other and beside the kernel's.
 */
final class HandlersTest extends SiteTestCase
{
    public function testADirectoryGoesWithItsYoungFiles(): void
    {
        $door = new HandlersDoor($this->site);
        $door->create('images/_aliases/large/1/a.png', self::PNG);
        (new PhpNode($this->site))->create('images/_aliases/large/2/b.png', self::PNG, 'image/png');
        $door->create('images/_aliases/small/a.png', self::PNG);
        $door->deleteDirectory('images/_aliases/large');
        $this->assertSame(['images/_aliases/small/a.png'], $this->site->files());
    }

    public function testEachSeesAtOnceWhatTheOthersWrite(): void
    {
        $cached = 'options: { cache_size: 1m, cache_ttl: 1h, cache_negative_ttl: 1h }';
        $this->site->boot(str_replace('dfs_connection }', "dfs_connection, $cached }", Site::yaml()));
        [$handlers, $service] = [new HandlersDoor($this->site), new ServiceDoor($this->site)];
        foreach ([[$handlers, $service], [$service, $handlers]] as [$writer, $reader]) {
            $id = 'images/' . \count($this->site->files()) . '.txt';
            $this->assertFalse($reader->exists($id));
            $writer->create($id, 'one');
            $this->assertTrue($reader->exists($id));
            $this->assertSame(3, $reader->load($id)->size);
            $writer->create($id, 'longer');
            $this->assertSame(6, $reader->load($id)->size);
            $writer->delete($id);
            $this->assertFalse($reader->exists($id));
            $writer->create($id, 'stays');
        }
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testWhatAKernelWroteUnderABackslashIsFound(string $class): void
    {
        $door = new $class($this->site);
        [$node, $id] = [new PhpNode($this->site), 'images/a\\b.txt'];
        $node->create('images/a/b.txt', 'bytes', 'text/plain');
        $this->site->sql(
            "UPDATE {$this->site->table()} SET name = ?, name_trunk = ?, name_hash = ?",
            [Site::PREFIX . "/$id", Site::PREFIX . "/$id", md5(Site::PREFIX . "/$id")]
        );
        $this->assertTrue($door->exists($id));
        $this->assertSame($id, $door->load($id)->id);
        $this->assertSame('bytes', $door->contents($id));
        $this->assertSame('bytes', stream_get_contents($door->open($id)));
        $door->delete($id);
        $this->assertFalse($door->exists($id));
        $this->assertSame([], array_filter($this->site->files(), fn ($file) => is_file($this->site->path($file))));
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testNothingIsCreatedUnderABackslash(string $class): void
    {
        $door = new $class($this->site);
        $e = $this->thrownBy(fn () => $door->create('images/a\\b.txt', 'bytes'));
        $this->assertInstanceOf($door->failure(), $e);
        $this->assertSame([], $this->site->files());
        $this->assertSame([], $this->site->sql("SELECT name FROM {$this->site->table()}"));
    }

    public function testThePairTakesNoFileThatHasARowOfItsOwn(): void
    {
        $door = new ServiceDoor($this->site);
        $door->create('images/a/b.txt', 'bytes');
        $name = Site::PREFIX . '/images/a\\b.txt';
        $this->site->sql(
            "INSERT INTO {$this->site->table()} (name, name_trunk, name_hash, datatype, scope, size, mtime) "
            . "VALUES (?, ?, ?, 'text/plain', 'image', 5, 1500000000)",
            [$name, $name, md5($name)]
        );
        $door->delete('images/a\\b.txt');
        $this->assertFalse($door->exists('images/a\\b.txt'));
        $this->assertSame('bytes', $door->contents('images/a/b.txt'));
    }
}
