<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\Handler\Half;
use Ezdfs\Bundle\Tests\Support\HandlersDoor;
use Ezdfs\Bundle\Tests\Support\ServiceDoor;
use Ezdfs\Bundle\Tests\Support\Site;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use Symfony\Component\Config\Definition\Exception\InvalidConfigurationException;

final class ConfigurationTest extends SiteTestCase
{
    /** @dataProvider orders */
    public function testTheYamlOfTheDesignGivesHandlersOfBothHalves(bool $bundleComesFirst): void
    {
        $this->site->boot(null, $bundleComesFirst);

        foreach (['metadata' => 'MetadataHandler', 'binarydata' => 'BinarydataHandler'] as $half => $class) {
            $this->assertInstanceOf(Family::installed()->own($class), $this->site->handler($half));
            $this->assertInstanceOf(Half::class, $this->site->handler($half));
        }
        (new ServiceDoor($this->site))->create('images/1/a.png', self::PNG);
        $this->assertSame(self::PNG, file_get_contents($this->site->path('images/1/a.png')));
        $this->assertSame('var/site/storage/images/1/a.png', $this->site->row('images/1/a.png')['name']);
    }

    public function orders(): array
    {
        return ['bundle last' => [false], 'bundle first' => [true]];
    }

    public function testASiteAccessHasItsOwnDirectoryAndPrefix(): void
    {
        $this->site->boot($this->withSystem('other: { var_dir: var/other }'));
        mkdir($this->site->mount . '/var/other/storage', 0755, true);
        $door = new ServiceDoor($this->site);
        $door->create('images/1/a.txt', 'one');

        $this->site->settings()->siteAccess = 'other';
        $this->assertFalse($door->exists('images/1/a.txt'));
        $file = $door->create('images/1/a.txt', 'other');
        $this->assertSame('/var/other/storage/images/1/a.txt', $file->uri);
        $this->assertSame('other', file_get_contents($this->site->mount . '/var/other/storage/images/1/a.txt'));

        $this->site->settings()->siteAccess = 'default';
        $this->assertSame('one', $door->contents('images/1/a.txt'));
        $this->assertCount(2, $this->site->sql("SELECT name FROM {$this->site->table()}"));
    }

    public function testADsnATableAndOptionsInPlaceOfAConnection(): void
    {
        $dsn = \Ezdfs\Bundle\Dsn::fromDoctrine(Site::database());
        putenv("EZDFS_BUNDLE_DSN=$dsn");
        $this->site->boot(str_replace(
            'connection: doctrine.dbal.dfs_connection',
            "dsn: 'env:EZDFS_BUNDLE_DSN', table: {$this->site->table()}, options: { query_timeout: 9s }",
            Site::yaml()
        ));
        $options = $this->site->handler('metadata')->source()->options();
        $this->assertSame('9s', $options['query_timeout']);
        (new ServiceDoor($this->site))->create('images/1/a.txt', 'one');
        $this->assertNotNull($this->site->row('images/1/a.txt'));
    }

    public function testPermissions(): void
    {
        $this->site->boot(str_replace(
            '$storage_dir$"',
            '$storage_dir$", permissions: { files: "0640", directories: "0750" }',
            Site::yaml()
        ));
        foreach ([ServiceDoor::class => 'images/s/a.txt', HandlersDoor::class => 'images/h/a.txt'] as $door => $id) {
            (new $door($this->site))->create($id, 'one');
            $this->assertSame('0640', $this->mode($this->site->path($id)));
            $this->assertSame('0750', $this->mode(\dirname($this->site->path($id))));
        }
    }

    private function mode(string $path): string
    {
        return sprintf('%04o', fileperms($path) & 07777);
    }

    /** @dataProvider mistakes */
    public function testAMistakeIsNamed(string $from, string $to, string $message): void
    {
        $this->expectException(InvalidConfigurationException::class);
        $this->expectExceptionMessage($message);
        $this->site->boot(str_replace($from, $to, Site::yaml()));
    }

    public function mistakes(): array
    {
        $connection = 'connection: doctrine.dbal.dfs_connection';

        return [
            'no database' => [$connection, '', '"connection" or "dsn"'],
            'two databases' => [$connection, "$connection, dsn: 'sqlite:/x'", '"connection" or "dsn"'],
            'no directory' => ['directory: "/path/to/nfs/$var_dir$/$storage_dir$"', '', 'directory'],
            'unknown key' => [$connection, "$connection, tabel: x", 'tabel'],
        ];
    }

    public function testSwappedPermissionsAreRefusedByTheCore(): void
    {
        $this->site->boot(str_replace(
            '$storage_dir$"',
            '$storage_dir$", permissions: { files: "0750", directories: "0640" }',
            Site::yaml()
        ));
        $door = new ServiceDoor($this->site);
        $e = $this->thrownBy(fn () => $door->create('images/1/a.txt', 'one'));
        $this->assertInstanceOf($door->failure(), $e);
        $this->assertStringContainsString('dir_mode', $e->getPrevious()->getMessage());
    }

    /** @dataProvider halves */
    public function testAHalfWorksBesideAnotherHandler(string $half): void
    {
        $this->site->boot();
        $other = $half === 'metadata' ? 'binarydata' : 'metadata';
        $log = [];
        $name = $this->site->settings()->getParameter("io.{$other}_handler");
        $this->site->registry($other)->setHandlersMap([$name => $this->foreignHandler($other, $log)]);

        $door = new ServiceDoor($this->site);
        $door->create('images/1/a.png', self::PNG);
        $this->assertSame($half === 'metadata', $this->site->row('images/1/a.png') !== null);
        $this->assertSame($half === 'binarydata', is_file($this->site->path('images/1/a.png')));
        $this->assertSame($half === 'metadata' ? 'image/png' : 'x/foreign', $door->mimeType('images/1/a.png'));
        $door->deleteDirectory('images/2');
        $door->delete('images/1/a.png');
        $this->assertNull($this->site->row('images/1/a.png'));
        $this->assertSame([], $this->site->files());
        $this->assertSame(['create', 'deleteDirectory', 'delete'], $log);
    }

    public function halves(): array
    {
        return [['metadata'], ['binarydata']];
    }

    private function foreignHandler(string $half, array &$log): object
    {
        $isIbexa = Family::installed() === Family::Ibexa;
        $core = $isIbexa ? 'Ibexa\Core\IO' : 'eZ\Publish\Core\IO';
        $handler = $this->createMock($core . ($half === 'metadata' ? '\IOMetadataHandler' : '\IOBinarydataHandler'));
        $note = static function (string $method) use (&$log): void {
            $log[] = $method;
        };
        $handler->method('create')->willReturnCallback(function (object $struct) use ($note, $half, $isIbexa) {
            $note('create');
            // A handler that copies the stream leaves it at its end.
            stream_get_contents($struct->getInputStream());
            if ($half === 'metadata') {
                $file = new ($isIbexa ? 'Ibexa\Contracts\Core\IO\BinaryFile' : 'eZ\Publish\SPI\IO\BinaryFile')();
                [$file->id, $file->size, $file->mtime] = [$struct->id, $struct->size, $struct->mtime];

                return $file;
            }
        });
        foreach (['delete', 'deleteDirectory'] as $method) {
            $handler->method($method)->willReturnCallback(static fn () => $note($method));
        }
        if ($half === 'metadata') {
            $handler->method('getMimeType')->willReturn('x/foreign');
        } else {
            $handler->method('getUri')->willReturnArgument(0);
        }

        return $handler;
    }

    public function testWithoutBothHalvesTheServiceIsLeftAlone(): void
    {
        $this->site->boot(preg_replace('/^ +binarydata_handlers.*$/m', '', Site::yaml()));

        $this->assertInstanceOf(Half::class, $this->site->handler('metadata'));
        $log = [];
        $this->site->registry('binarydata')->setHandlersMap(['nfs' => $this->foreignHandler('binarydata', $log)]);
        $arguments = (new \ReflectionProperty($this->site->ioService(), 'metadataHandler'));
        $this->assertNotInstanceOf(
            Family::installed()->own('PairedMetadataHandler'),
            $arguments->getValue($this->site->ioService())
        );
    }

    private function withSystem(string $more): string
    {
        return str_replace('system: {', "system: { $more,", Site::yaml());
    }
}
