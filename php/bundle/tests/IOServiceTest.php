<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Tests\Support\HandlersDoor;
use Ezdfs\Bundle\Tests\Support\ServiceDoor;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use Ezdfs\Exception\EzdfsException;

/**
 * What the kernel's IO service does on a pair of handlers.
 */
final class IOServiceTest extends SiteTestCase
{
    private ServiceDoor $door;

    protected function setUp(): void
    {
        parent::setUp();
        $this->door = new ServiceDoor($this->site);
    }

    public function testAMissingFileIsAnObjectThatSaysSo(): void
    {
        $missing = $this->door->service()->loadBinaryFile('images/none.png');
        $this->assertStringEndsWith('\MissingBinaryFile', $missing::class);
        $this->assertSame('/var/site/storage/images/none.png', $missing->uri);

        $byUri = $this->door->service()->loadBinaryFileByUri('/var/site/storage/images//none.png');
        $this->assertStringEndsWith('\MissingBinaryFile', $byUri::class);
        $this->assertSame(['images/none.png', 'images//none.png'], $this->door->service()->log);
    }

    public function testAUriLeadsToItsFile(): void
    {
        $file = $this->door->create('images/1/a b+é%25.txt', 'one');
        $this->assertSame('/var/site/storage/images/1/a b+é%25.txt', $file->uri, 'the kernel encodes nothing');
        $this->assertSame('images/1/a b+é%25.txt', $this->door->service()->loadBinaryFileByUri($file->uri)->id);
        $this->assertInstanceOf(
            \InvalidArgumentException::class,
            $this->thrownBy(fn () => $this->door->service()->loadBinaryFileByUri('/var/site/elsewhere/a.png'))
        );
    }

    public function testAPrefixIsTheServicesOwn(): void
    {
        $this->door->service()->setPrefix('images');
        $file = $this->door->create('1/a.txt', 'one');
        $this->assertSame('1/a.txt', $file->id);
        $this->assertNotNull($this->site->row('images/1/a.txt'));
        $this->assertSame('one', $this->door->contents('1/a.txt'));
        $this->assertStringEndsWith(
            '\MissingBinaryFile',
            $this->door->service()->loadBinaryFileByUri('/var/site/storage/original/a.pdf')::class
        );
    }

    public function testAnAbsolutePathIsNoId(): void
    {
        $this->assertStringEndsWith(
            '\InvalidBinaryFileIdException',
            $this->thrownBy(fn () => $this->door->load('/images/a.png'))::class
        );
    }

    public function testTheCauseIsThereBehindTheKernelsException(): void
    {
        $e = $this->thrownBy(fn () => $this->door->create('images/1/a.txt', 'abc', 9));
        while (!$e instanceof EzdfsException) {
            $e = $e->getPrevious();
            $this->assertNotNull($e);
        }
        $this->assertStringContainsString('9 bytes were declared', $e->getMessage());
    }

    public function testAStreamMayStandAnywhere(): void
    {
        $stream = $this->door::stream('0123456789');
        fseek($stream, 4);
        $this->door->create('images/1/a.txt', $stream, 10);
        $this->assertSame('0123456789', $this->door->contents('images/1/a.txt'));
    }

    public function testAFailedCreateIsNotTakenForTheNext(): void
    {
        $this->door->create('images/1/a.txt', 'one');
        $this->thrownBy(fn () => $this->door->create('images/1/a.txt', 'two', 9));
        $this->assertSame('one', $this->door->contents('images/1/a.txt'));
        $this->assertSame(3, $this->door->load('images/1/a.txt')->size);
    }

    public function testDeleteDoesNotTouchWhatCameAfterIt(): void
    {
        $this->door->create('images/1/a.txt', 'one');
        // The service calls twice; between the calls another node is at work.
        $metadata = $this->site->container()->get('test.metadata_handler');
        $binarydata = $this->site->container()->get('test.binarydata_handler');
        $metadata->delete('images/1/a.txt');
        (new HandlersDoor($this->site))->create('images/1/a.txt', 'new');
        $binarydata->delete('images/1/a.txt');
        $this->assertSame('new', $this->door->contents('images/1/a.txt'));
    }

    public function testReadsFollowTheRow(): void
    {
        $this->door->create('images/1/a.txt', 'one');
        $this->site->sql("UPDATE {$this->site->table()} SET mtime = -ABS(mtime)");
        $this->assertInstanceOf(
            $this->door->notFound(),
            $this->thrownBy(fn () => $this->door->contents('images/1/a.txt'))
        );
    }
}
