<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Tests\Support\Door;
use Ezdfs\Bundle\Tests\Support\Fork;
use Ezdfs\Bundle\Tests\Support\PhpNode;
use Ezdfs\Bundle\Tests\Support\ServiceDoor;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use PHPUnit\Framework\Attributes\DataProvider;

/**
 * One table and one mount, shared with nodes that have no ezdfs.
 */
final class ClusterTest extends SiteTestCase
{
    private const ID = 'images/1/a.png';

    private PhpNode $node;

    protected function setUp(): void
    {
        parent::setUp();
        $this->node = new PhpNode($this->site);
    }

    private function door(): Door
    {
        return new ServiceDoor($this->site);
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testBothKindsOfNodesReadWhatEitherWrote(string $class): void
    {
        $door = new $class($this->site);
        $created = $door->create(self::ID, self::PNG);
        $row = $this->node->load(self::ID);
        $this->assertSame(
            [\strlen(self::PNG), $created->mtime->getTimestamp(), 'image/png', 'image'],
            [(int) $row['size'], (int) $row['mtime'], $row['datatype'], $row['scope']]
        );
        $this->assertSame($row['name'], $row['name_trunk']);
        $this->assertSame(self::PNG, $this->node->contents(self::ID));

        $this->node->create('images/2/b.gif', 'GIF89a', 'image/gif');
        $row = $this->site->row('images/2/b.gif');
        $file = $door->load('images/2/b.gif');
        $this->assertSame([6, (int) $row['mtime']], [$file->size, $file->mtime->getTimestamp()]);
        $this->assertSame('image/gif', $door->mimeType('images/2/b.gif'));
        $this->assertSame('GIF89a', $door->contents('images/2/b.gif'));

        // And what they wrote over: nothing of the old is kept anywhere.
        $this->node->create(self::ID, 'GIF89a longer than before', 'image/gif');
        $this->assertSame(25, $door->load(self::ID)->size);
        $this->assertSame('GIF89a longer than before', $door->contents(self::ID));
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testCreateBringsBackWhatLegacyDeleted(string $class): void
    {
        $door = new $class($this->site);
        $door->create(self::ID, 'old');
        $this->node->softDelete(self::ID);
        $this->assertFalse($door->exists(self::ID));

        $door->create(self::ID, 'new');
        $this->assertTrue($door->exists(self::ID));
        $this->assertNotNull($this->node->load(self::ID));
        $this->assertFalse((bool) $this->site->row(self::ID)['expired']);
        $this->assertSame(0, $this->node->purge());
        $this->assertSame('new', $this->node->contents(self::ID));
    }

    public function testNothingIsLeftForLegacysTools(): void
    {
        $door = $this->door();
        foreach (['images/1/a.png', 'images/1/b.png', 'images/_aliases/large/c.png', 'original/application/d.pdf'] as $id) {
            $door->create($id, "of $id");
        }
        $this->node->softDelete('images/1/b.png');
        $door->delete('images/1/a.png');
        $door->deleteDirectory('images/_aliases/large');

        $this->assertSame(1, $this->node->purge());
        $files = fn () => array_filter($this->site->files(), fn ($id) => is_file($this->site->path($id)));
        $this->assertContains('original/application/d.pdf', $files());
        $this->assertTrue($door->exists('original/application/d.pdf'));
        $this->assertFalse($door->exists('images/1/b.png'));
        // Young files may stay behind where a whole directory was deleted.
        $this->assertSame([], array_diff($this->node->differences(), $this->site->files()));
    }

    public function testTwoNodesGenerateOneVariation(): void
    {
        $id = 'images/_aliases/large/1/a.png';
        $picture = self::PNG . str_repeat('x', 300_000);
        $this->door();
        $this->site->boot();
        $fork = new Fork();
        foreach ([1, 2] as $ignored) {
            $fork->start(function () use ($id, $picture): void {
                for ($i = 0; $i < 20; ++$i) {
                    $this->door()->create($id, $picture);
                }
            });
        }
        $seen = 0;
        for ($i = 0; $i < 60; ++$i) {
            if ($this->door()->exists($id)) {
                $this->assertSame(md5($picture), md5($this->door()->contents($id)));
                ++$seen;
            }
            usleep(2000);
        }
        $this->assertTrue($fork->join());
        $this->assertSame($picture, $this->door()->contents($id));
        $this->assertCount(1, $this->site->sql("SELECT name FROM {$this->site->table()}"));
        $this->assertSame(\strlen($picture), (int) $this->site->row($id)['size']);
        $files = array_filter($this->site->files(), fn ($file) => is_file($this->site->path($file)));
        $this->assertSame([$id], array_values($files));
    }

    public function testTwoPhpNodesGenerateOneVariation(): void
    {
        $id = 'images/_aliases/large/1/a.png';
        $fork = new Fork();
        $this->site->forgetNode();
        foreach ([1, 2] as $ignored) {
            $fork->start(function () use ($id): void {
                for ($i = 0; $i < 10; ++$i) {
                    $this->node->create($id, self::PNG, 'image/png');
                }
            });
        }
        $this->assertTrue($fork->join());
        $this->assertSame(self::PNG, $this->door()->contents($id));
        $this->assertSame(\strlen(self::PNG), $this->door()->load($id)->size);
        $this->assertCount(1, $this->site->sql("SELECT name FROM {$this->site->table()}"));
    }

    public function testVariationsArePurgedDuringTraffic(): void
    {
        $id = 'images/_aliases/large/a.png';
        $versions = [str_repeat('a', 50_000), str_repeat('b', 60_000)];
        $this->site->boot();
        $this->door()->create($id, $versions[0]);
        $before = $this->door()->load($id);
        $this->site->forgetNode();
        $fork = new Fork();
        $fork->start(function (): void {
            for ($i = 0; $i < 30; ++$i) {
                $this->node->deleteDirectory('images/_aliases/large');
                usleep(1000);
            }
        });
        $descriptors = \count(scandir('/proc/self/fd'));
        $whole = 0;
        for ($i = 0; $i < 100; ++$i) {
            try {
                $whole += (int) \in_array($this->door()->contents($id), $versions, true);
            } catch (\Exception $e) {
                $this->assertInstanceOf($this->door()->notFound(), $e);
                ++$whole;
            }
            try {
                $this->door()->create($id, $versions[$i % 2]);
            } catch (\RuntimeException $e) {
                // The directory went away under the write: an error, and nothing half done.
                $this->assertInstanceOf($this->door()->failure(), $e);
            }
        }
        $this->assertTrue($fork->join());
        $this->assertSame(100, $whole);
        $this->assertLessThanOrEqual($descriptors + 4, \count(scandir('/proc/self/fd')), 'connections at most');

        $this->door()->create($id, $versions[1]);
        $after = $this->door()->load($id);
        $this->assertNotSame(
            [$before->mtime->getTimestamp(), $before->size],
            [$after->mtime->getTimestamp(), $after->size]
        );
    }

    public function testParentAndChildEachHaveTheirConnections(): void
    {
        $this->door()->create('images/0.txt', 'connected');
        $fork = new Fork();
        foreach ([1, 2, 3] as $child) {
            $fork->start(function () use ($child): void {
                for ($i = 0; $i < 20; ++$i) {
                    $this->door()->create("images/$child.txt", "child $child, $i");
                    if ($this->door()->contents("images/$child.txt") !== "child $child, $i") {
                        throw new \LogicException('another answer');
                    }
                }
            });
        }
        for ($i = 0; $i < 40; ++$i) {
            $this->assertSame('connected', $this->door()->contents('images/0.txt'));
            $this->assertFalse($this->door()->exists('images/none.txt'));
        }
        $this->assertTrue($fork->join());
        foreach ([1, 2, 3] as $child) {
            $this->assertSame("child $child, 19", $this->door()->contents("images/$child.txt"));
        }
    }
}
