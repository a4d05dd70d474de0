<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\Tests\Support\Door;
use Ezdfs\Bundle\Tests\Support\HandlersDoor;
use Ezdfs\Bundle\Tests\Support\ServiceDoor;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use PHPUnit\Framework\Attributes\DataProvider;

/**
 * Create structs that say less than an IO service's, or more.
 */
final class StructTest extends SiteTestCase
{
    private const ID = 'original/application/a.pdf';

    private HandlersDoor $door;

    protected function setUp(): void
    {
        parent::setUp();
        $this->door = new HandlersDoor($this->site);
    }

    /** @return list<array{string}> */
    public static function types(): array
    {
        return [['misc'], [''], ['php'], ['application/pdf']];
    }

    /** @dataProvider types */
    #[DataProvider('types')]
    public function testARowOfAMigrationIsWhatTheStructSays(string $type): void
    {
        $file = $this->door->metadata()->create($this->withoutStream(['mimeType' => $type]));
        $this->assertSame([self::ID, 7], [$file->id, $file->size]);
        $row = $this->site->row(self::ID);
        $this->assertSame([7, 1_500_000_000, $type, 'binaryfile'], [
            (int) $row['size'], (int) $row['mtime'], $row['datatype'], $row['scope'],
        ]);
        $this->assertSame($type, $this->door->mimeType(self::ID));
    }

    public function testATypeThatCouldBreakAHeaderIsRefused(): void
    {
        foreach (["a/b\r\nSet-Cookie: c=d", str_repeat('x', 256)] as $type) {
            $e = $this->thrownBy(fn () => $this->door->metadata()->create($this->withoutStream(['mimeType' => $type])));
            $this->assertInstanceOf($this->door->failure(), $e);
        }
        $this->assertNull($this->site->row(self::ID));
    }

    public function testBytesWithoutAStreamAreAnErrorOfTheKernels(): void
    {
        foreach ([$this->door->data(), $this->site->container()->get('test.binarydata_handler')] as $handler) {
            $e = $this->thrownBy(fn () => $handler->create($this->withoutStream(['mimeType' => 'misc'])));
            $this->assertInstanceOf($this->door->failure(), $e);
            $this->assertStringContainsString(self::ID, $e->getMessage());
        }
        $this->assertSame([], $this->site->files());
    }

    public function testASizeIsThatOfTheStreamOrAnError(): void
    {
        $struct = $this->door->bareStruct(['id' => self::ID, 'mtime' => new \DateTime()]);
        $e = $this->thrownBy(fn () => $this->door->metadata()->create($struct));
        $this->assertInstanceOf($this->door->failure(), $e);
        $this->assertStringContainsString('size', $e->getMessage());
        $this->assertNull($this->site->row(self::ID));

        $struct->setInputStream(Door::stream('%PDF-1.4'));
        $this->door->data()->create($struct);
        $this->assertSame(8, $this->door->metadata()->create($struct)->size);
        $this->assertSame(8, (int) $this->site->row(self::ID)['size']);
    }

    public function testAFileIsCreatedWithTheDateThatItIsGiven(): void
    {
        $given = new \DateTime('2020-02-03 04:05:06.789', new \DateTimeZone('Asia/Kolkata'));
        $struct = $this->withoutStream(['mimeType' => 'misc', 'mtime' => $given]);
        $this->assertSame($given, $this->door->metadata()->create($struct)->mtime);
        $loaded = $this->door->load(self::ID)->mtime;
        $this->assertSame(
            [$given->getTimestamp(), '+00:00'],
            [$loaded->getTimestamp(), $loaded->getTimezone()->getName()]
        );
    }

    public function testTheServiceGivesTheDateOfThePlace(): void
    {
        $before = date_default_timezone_get();
        date_default_timezone_set('America/New_York');
        try {
            $file = (new ServiceDoor($this->site))->create(self::ID, '%PDF-1.4');
            $this->assertSame('America/New_York', $file->mtime->getTimezone()->getName());
            // Another version, within the second of the first.
            $next = (new ServiceDoor($this->site))->create(self::ID, '%PDF-1.5');
            $this->assertSame('America/New_York', $next->mtime->getTimezone()->getName());
        } finally {
            date_default_timezone_set($before);
        }
        $this->assertSame((int) $this->site->row(self::ID)['mtime'], $next->mtime->getTimestamp());
        $this->assertGreaterThan($file->mtime->getTimestamp(), $next->mtime->getTimestamp());
    }

    public function testADateThatIsNoneIsTheKernelsInvalidArgument(): void
    {
        $properties = ['id' => self::ID, 'size' => 8];
        if (Family::installed() === Family::EzPlatform) {
            $properties['mtime'] = 'yesterday';
        }
        $struct = $this->door->bareStruct($properties);
        $struct->setInputStream(Door::stream('%PDF-1.4'));
        foreach ([$this->door->metadata(), $this->site->container()->get('test.binarydata_handler')] as $handler) {
            $e = $this->thrownBy(fn () => $handler->create($struct));
            $this->assertInstanceOf($this->door->invalidArgument(), $e);
            $this->assertStringContainsString('mtime', $e->getMessage());
        }
        $this->assertNull($this->site->row(self::ID));
        $this->assertSame([], $this->site->files());
    }

    private function withoutStream(array $properties): object
    {
        $properties += ['id' => self::ID, 'size' => 7, 'mtime' => new \DateTime('@1500000000')];

        return $this->door->bareStruct($properties);
    }
}
