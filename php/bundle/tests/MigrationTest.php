<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\Tests\Support\HandlersDoor;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use PHPUnit\Framework\Attributes\DataProvider;

/**
 * What `io:migrate-files` does by the kernel's migrator.
 */
final class MigrationTest extends SiteTestCase
{
    private const ID = 'images/1/a.png';

    private HandlersDoor $door;

    protected function setUp(): void
    {
        parent::setUp();
        $this->door = new HandlersDoor($this->site);
        $this->door->create(self::ID, self::PNG);
    }

    /** @return array<string, array{string, string}> */
    public static function namesOfOneDirectory(): array
    {
        return [
            'from ezdfs to the kernel\'s' => ['nfs', 'oldnfs'],
            'from the kernel\'s to ezdfs' => ['oldnfs', 'nfs'],
            'through a link' => ['nfs', 'linked'],
            'two of the kernel\'s' => ['oldnfs', 'linked'],
            'two of ezdfs\'s' => ['nfs', 'same'],
        ];
    }

    /** @dataProvider namesOfOneDirectory */
    #[DataProvider('namesOfOneDirectory')]
    public function testNoFileIsCopiedOntoItself(string $from, string $to): void
    {
        $this->addOldHandler('oldnfs', $this->site->path(''));
        symlink($this->site->path(''), $this->site->home . '/link');
        $this->addOldHandler('linked', $this->site->home . '/link');
        $this->site->registry('binarydata')->addHandler('same', clone $this->site->handler('binarydata'));

        $migrator = $this->migrator();
        $migrator->setIODataHandlersByIdentifiers('dfs', $from, 'dfs', $to);
        $e = $this->thrownBy(fn () => $migrator->migrateFile($this->door->load(self::ID)));
        $this->assertStringContainsString("\"$from\" and \"$to\"", $e->getMessage());
        $this->assertStringContainsString(self::ID, $e->getMessage());
        $this->assertSame(self::PNG, file_get_contents($this->site->path(self::ID)));
    }

    /** @return array<string, array{bool}> */
    public static function directions(): array
    {
        return ['out' => [true], 'in' => [false]];
    }

    /** @dataProvider directions */
    #[DataProvider('directions')]
    public function testAnotherDirectoryIsMigratedTo(bool $isOut): void
    {
        $elsewhere = $this->site->home . '/elsewhere';
        mkdir($elsewhere);
        $this->addOldHandler('other', $elsewhere);
        $file = $this->door->load(self::ID);
        if (!$isOut) {
            mkdir("$elsewhere/images/1", 0755, true);
            rename($this->site->path(self::ID), "$elsewhere/" . self::ID);
        }
        $migrator = $this->migrator();
        [$from, $to] = $isOut ? ['nfs', 'other'] : ['other', 'nfs'];
        $migrator->setIODataHandlersByIdentifiers('dfs', $from, 'dfs', $to);
        $this->assertTrue($migrator->migrateFile($file));
        $this->assertTrue($migrator->migrateFile($file), 'once more, over what is there');
        $target = $isOut ? "$elsewhere/" . self::ID : $this->site->path(self::ID);
        $this->assertSame(self::PNG, file_get_contents($target));
    }

    public function testRowsAloneAreMigratedWithinOneDirectory(): void
    {
        $migrator = $this->migrator();
        $old = clone $this->site->handler('metadata');
        $this->site->registry('metadata')->addHandler('old', $old);
        $this->site->sql("UPDATE {$this->site->table()} SET datatype = 'misc'");
        $migrator->setIODataHandlersByIdentifiers('old', 'nfs', 'dfs', 'nfs');
        $this->assertTrue($migrator->migrateFile($this->door->load(self::ID)));
        $this->assertSame('misc', $this->site->row(self::ID)['datatype']);
        $this->assertSame(self::PNG, $this->door->contents(self::ID));
    }

    private function migrator(): object
    {
        return $this->site->container()->get(Family::installed()->fileMigrator());
    }

    private function addOldHandler(string $name, string $directory): void
    {
        $class = Family::installed() === Family::Ibexa ? 'Ibexa\Core\IO\InPlaceHandler' : 'eZ\Publish\Core\IO\InPlaceHandler';
        $this->site->registry('binarydata')->addHandler($name, new $class($directory));
    }
}
