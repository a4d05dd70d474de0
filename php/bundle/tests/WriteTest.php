<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Tests\Support\Door;
use Ezdfs\Bundle\Tests\Support\Fork;
use Ezdfs\Bundle\Tests\Support\PhpNode;
use Ezdfs\Bundle\Tests\Support\ServiceDoor;
use Ezdfs\Bundle\Tests\Support\Site;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use Ezdfs\Bundle\Tests\Support\SlowStream;

/**
 * Create and delete as one operation, and what is left when they fail.
 */
final class WriteTest extends SiteTestCase
{
    private const ID = 'images/1/a.txt';

    private Door $door;

    protected function setUp(): void
    {
        parent::setUp();
        $this->door = new ServiceDoor($this->site);
    }

    private function stored(): array
    {
        return array_values(array_filter($this->site->files(), fn ($id) => is_file($this->site->path($id))));
    }

    public function testTheDatabaseRefusesANewFile(): void
    {
        $this->refuseRows('INSERT');
        $e = $this->thrownBy(fn () => $this->door->create(self::ID, 'new'));
        $this->assertInstanceOf($this->door->failure(), $e);
        $this->assertSame([], $this->stored());
        $this->assertNull($this->site->row(self::ID));
    }

    public function testTheDatabaseRefusesToReplaceAFile(): void
    {
        $this->door->create(self::ID, 'old');
        $row = $this->site->row(self::ID);
        $this->refuseRows('UPDATE');
        $this->thrownBy(fn () => $this->door->create(self::ID, 'new contents'));
        $this->assertSame([self::ID], $this->stored());
        $this->assertSame('old', $this->door->contents(self::ID));
        $this->assertSame($row, $this->site->row(self::ID));
    }

    private function refuseRows(string $event): void
    {
        $table = $this->site->table();
        $head = "CREATE TRIGGER refuse BEFORE $event ON $table FOR EACH ROW";
        switch (Site::databaseKind()) {
            case 'pdo_sqlite':
                $this->site->sql("$head BEGIN SELECT RAISE(ABORT, 'refused'); END");
                break;
            case 'pdo_mysql':
                $this->site->sql("$head SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'");
                break;
            default:
                $body = "BEGIN RAISE EXCEPTION 'refused'; END";
                $this->site->sql("CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS '"
                    . str_replace("'", "''", $body) . "'");
                $this->site->sql("$head EXECUTE FUNCTION refuse()");
        }
    }

    protected function tearDown(): void
    {
        $on = Site::databaseKind() === 'pdo_pgsql' ? " ON {$this->site->table()}" : '';
        $this->site->sql("DROP TRIGGER IF EXISTS refuse$on");
        parent::tearDown();
    }

    public function testALockedRowIsWaitedForOrAnError(): void
    {
        $this->site->boot(str_replace('dfs_connection }', 'dfs_connection, options: { query_timeout: 1s } }', Site::yaml()));
        $this->door->create(self::ID, 'old');
        $this->site->sql(Site::databaseKind() === 'pdo_sqlite' ? 'BEGIN IMMEDIATE' : 'BEGIN');
        $this->site->sql("UPDATE {$this->site->table()} SET size = 3");
        $e = $this->thrownBy(fn () => $this->door->create(self::ID, 'new contents'));
        $this->assertInstanceOf($this->door->failure(), $e);
        $this->site->sql('ROLLBACK');

        $this->assertSame('old', $this->door->contents(self::ID));
        $this->assertSame(3, $this->door->load(self::ID)->size);
        $this->door->create(self::ID, 'new contents');
        $this->assertSame('new contents', $this->door->contents(self::ID));
    }

    public function testTwoWritersOfOneNameLeaveRowAndFileOfOneOfThem(): void
    {
        $this->site->boot();
        $this->site->forgetNode();
        $fork = new Fork();
        foreach (['one' => 1000, 'two' => 2000, 'three' => 3000] as $word => $count) {
            $fork->start(function () use ($word, $count): void {
                for ($i = 0; $i < 15; ++$i) {
                    $this->door->create(self::ID, str_repeat($word, $count));
                }
            });
        }
        $this->assertTrue($fork->join());
        $this->assertCount(1, $this->site->sql("SELECT name FROM {$this->site->table()}"));
        $this->assertSame((int) $this->site->row(self::ID)['size'], filesize($this->site->path(self::ID)));
        $this->assertSame([self::ID], $this->stored());
    }

    public function testAnOuterTransactionGoesItsOwnWay(): void
    {
        if (Site::databaseKind() === 'pdo_sqlite') {
            $this->markTestSkipped('SQLite has one writer at a time');
        }
        $this->door->create(self::ID, 'old');
        $this->site->sql('CREATE TABLE IF NOT EXISTS content (name varchar(50))');
        $this->site->sql('DELETE FROM content');
        $this->site->sql('BEGIN');
        $this->site->sql("INSERT INTO content VALUES ('before')");
        $this->door->create(self::ID, 'new contents');
        $this->site->sql("INSERT INTO content VALUES ('after')");
        $this->site->sql('COMMIT');
        $this->assertCount(2, $this->site->sql('SELECT name FROM content'));
        $this->assertSame('new contents', $this->door->contents(self::ID));
        $this->assertSame(12, $this->door->load(self::ID)->size);
    }

    public function testModesAreThoseAskedForWhateverTheUmask(): void
    {
        $umask = umask(0077);
        try {
            $this->door->create('images/new/directory/a.txt', 'one');
        } finally {
            umask($umask);
        }
        $mode = fn (string $id) => sprintf('%04o', fileperms($this->site->path($id)) & 07777);
        $this->assertSame('0644', $mode('images/new/directory/a.txt'));
        $this->assertSame(['0755', '0755'], [$mode('images/new/directory'), $mode('images/new')]);
    }

    public function testAFileOfAnotherUserIsReplaced(): void
    {
        if (posix_geteuid() !== 0) {
            $this->markTestSkipped('only root can give files away');
        }
        $this->door->create(self::ID, 'old');
        chown($this->site->path(self::ID), 'nobody');
        $this->door->create(self::ID, 'new');
        $this->assertSame('new', $this->door->contents(self::ID));
        $this->assertSame(0, fileowner($this->site->path(self::ID)));
    }

    public function testWhatIsBeingWrittenIsNowhereSeen(): void
    {
        $this->door->create(self::ID, 'old');
        $seen = [];
        $chunks = ['first ', 'second', null];
        $source = SlowStream::open(function () use (&$chunks, &$seen): ?string {
            $seen[] = $this->door->contents(self::ID);
            $this->assertFalse($this->door->exists('images/1/new.txt'));
            $this->assertFileDoesNotExist($this->site->path('images/1/new.txt'));

            return array_shift($chunks);
        });
        $this->door->create('images/1/new.txt', $source, 12);
        $this->assertSame(['old'], array_values(array_unique($seen)));
        $this->assertSame('first second', $this->door->contents('images/1/new.txt'));
        $this->assertSame([self::ID, 'images/1/new.txt'], $this->stored());
    }

    public function testWhatAKilledWriterLeavesIsNobodysFile(): void
    {
        $this->site->boot();
        $ready = $this->site->home . '/ready';
        $pid = (new Fork())->start(function () use ($ready): void {
            // Beyond what is read before anything is written.
            $chunks = 32;
            $source = SlowStream::open(function () use ($ready, &$chunks): string {
                if ($chunks-- > 0) {
                    return str_repeat('x', 8192);
                }
                touch($ready);
                sleep(3600);

                return '';
            });
            $this->door->create(self::ID, $source, 1_000_000);
        });
        while (!file_exists($ready)) {
            $this->assertSame(0, pcntl_waitpid($pid, $status, \WNOHANG), 'the writer has ended');
            usleep(1000);
            clearstatcache();
        }
        Fork::kill($pid);

        $left = $this->stored();
        $this->assertCount(1, $left);
        $this->assertNotSame(self::ID, $left[0]);
        $this->assertFalse($this->door->exists(self::ID));
        $this->assertFalse($this->door->exists($left[0]));
        $this->assertSame([], $this->site->sql("SELECT name FROM {$this->site->table()}"));

        $this->door->deleteDirectory('images/1');
        $this->assertSame($left, $this->stored(), 'its writer may be alive');
        touch($this->site->path($left[0]), time() - 30 * 86400);
        $this->door->deleteDirectory('images/1');
        $this->assertSame($left, $this->stored(), 'a time that somebody has set says nothing');
    }

    public function testASecondDeleteFindsNothing(): void
    {
        $this->door->create(self::ID, 'one');
        $this->door->create('images/1/b.txt', 'two');
        $this->door->delete(self::ID);
        $this->assertNull($this->site->row(self::ID));
        $this->assertSame(['images/1/b.txt'], $this->stored());

        $this->assertInstanceOf($this->door->notFound(), $this->thrownBy(fn () => $this->door->delete(self::ID)));
        $this->assertSame('two', $this->door->contents('images/1/b.txt'));
    }

    public function testADirectoryInAFilesPlaceIsNotTheFileAndStays(): void
    {
        $this->door->create(self::ID, 'one');
        unlink($this->site->path(self::ID));
        mkdir($this->site->path(self::ID) . '/in the way', 0755, true);
        $this->door->delete(self::ID);
        $this->assertFalse($this->door->exists(self::ID));
        $this->assertNull((new PhpNode($this->site))->load(self::ID));
        $this->assertDirectoryExists($this->site->path(self::ID) . '/in the way');
    }
}
