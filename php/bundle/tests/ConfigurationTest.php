<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\Handler\Half;
use Ezdfs\Bundle\Tests\Support\HandlersDoor;
use Ezdfs\Bundle\Tests\Support\ServiceDoor;
use Ezdfs\Bundle\Tests\Support\Site;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use PHPUnit\Framework\Attributes\DataProvider;
use Symfony\Component\Config\Definition\Exception\InvalidConfigurationException;

final class ConfigurationTest extends SiteTestCase
{
    /** @dataProvider orders */
    #[DataProvider('orders')]
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

    public static function orders(): array
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
    #[DataProvider('mistakes')]
    public function testAMistakeIsNamed(string $from, string $to, string $message): void
    {
        $this->expectException(InvalidConfigurationException::class);
        $this->expectExceptionMessage($message);
        $this->site->boot(str_replace($from, $to, Site::yaml()));
    }

    public static function mistakes(): array
    {
        $connection = 'connection: doctrine.dbal.dfs_connection';

        return [
            'no database' => [$connection, '', '"connection" or "dsn"'],
            'two databases' => [$connection, "$connection, dsn: 'sqlite:/x'", '"connection" or "dsn"'],
            'no directory' => ['directory: "/path/to/nfs/$var_dir$/$storage_dir$"', '', 'directory'],
            'unknown key' => [$connection, "$connection, tabel: x", 'tabel'],
        ];
    }

    /** @dataProvider impossibilities */
    #[DataProvider('impossibilities')]
    public function testWhatCannotBeIsRefusedByItsKey(string $half, string $given, string $key, string $reason): void
    {
        $yaml = $half === 'metadata'
            ? str_replace('connection: doctrine.dbal.dfs_connection', $given, Site::yaml())
            : str_replace('directory: "/path/to/nfs/$var_dir$/$storage_dir$"', $given, Site::yaml());
        $e = $this->thrownBy(fn () => $this->site->boot($yaml));
        $this->assertInstanceOf(InvalidConfigurationException::class, $e);
        $handler = $half === 'metadata' ? 'dfs' : 'nfs';
        $path = Family::installed()->ioExtension() . ".{$half}_handlers.$handler.ezdfs.$key";
        $this->assertStringContainsString("\"$path\"", $e->getMessage());
        $this->assertStringContainsString($reason, $e->getMessage());
        $this->assertStringNotContainsString('hunter2', "$e");
    }

    /** @return array<string, array{string, string, string, string}> */
    public static function impossibilities(): array
    {
        $connection = 'connection: doctrine.dbal.dfs_connection, ';
        $directory = 'directory: "/path/to/nfs/$var_dir$", ';

        return [
            'a mode without quotes' => ['binarydata', $directory . 'permissions: { files: 644 }', 'permissions.files', '644 is 1204 in octal'],
            'what was meant' => ['binarydata', $directory . 'permissions: { directories: 755 }', 'permissions.directories', "'0755', in quotes"],
            'a mode that is none' => ['binarydata', $directory . 'permissions: { files: "0888" }', 'permissions.files', '0888'],
            'modes the wrong way round' => [
                'binarydata', $directory . 'permissions: { files: "0750", directories: "0640" }', 'permissions.directories', '0640',
            ],
            'a mode among the options' => ['binarydata', $directory . 'options: { dir_mode: 755 }', 'options.dir_mode', '755 is 1363 in octal'],
            'a relative directory' => ['binarydata', 'directory: "nfs/$var_dir$"', 'directory', '"nfs/"'],
            'a directory without a setting' => ['binarydata', 'directory: web/var', 'directory', '"web/var"'],
            'an unknown option' => ['binarydata', $directory . 'options: { durabilty: full }', 'options.durabilty', 'unknown option'],
            'a list in place of options' => ['binarydata', $directory . 'options: [ full ]', 'options.0', 'unknown option'],
            'a time that is none' => ['metadata', $connection . 'options: { query_timeout: soon }', 'options.query_timeout', '"soon"'],
            'a replica that is nowhere' => ['metadata', $connection . 'options: { replica: run/ezdfs }', 'options.replica', 'absolute'],
            'neither text nor number' => ['metadata', $connection . 'options: { max_connections: true }', 'options.max_connections', 'string or an integer'],
            'an option with a key of its own' => ['metadata', $connection . 'options: { root: /mnt }', 'options.root', '"directory"'],
            'a prefix that is the kernel\'s' => ['binarydata', $directory . 'options: { name_prefix: a }', 'options.name_prefix', 'io.legacy_url_prefix'],
            'a table that is none' => ['metadata', $connection . 'table: "a b"', 'table', 'not a table name'],
            'a DSN that is none' => ['metadata', 'dsn: "mysqll://u:hunter2@db/ezdfs"', 'dsn', ''],
        ];
    }

    public function testWhatComesFromTheEnvironmentIsKnownLater(): void
    {
        $_SERVER += ['EZDFS_TEST_NFS' => $this->site->mount, 'EZDFS_TEST_TIMEOUT' => '9s'];
        $_SERVER['EZDFS_TEST_URL'] = \Ezdfs\Bundle\Dsn::fromDoctrine(Site::database());
        try {
            $this->site->boot(str_replace(
                ['connection: doctrine.dbal.dfs_connection', '/path/to/nfs'],
                ["dsn: '%env(EZDFS_TEST_URL)%', options: { query_timeout: '%env(EZDFS_TEST_TIMEOUT)%' }", '%env(EZDFS_TEST_NFS)%'],
                Site::yaml()
            ));
            (new ServiceDoor($this->site))->create('images/1/a.txt', 'one');
        } finally {
            unset($_SERVER['EZDFS_TEST_NFS'], $_SERVER['EZDFS_TEST_TIMEOUT'], $_SERVER['EZDFS_TEST_URL']);
        }
        $this->assertSame('one', file_get_contents($this->site->path('images/1/a.txt')));
        $this->assertSame('9s', $this->site->handler('metadata')->source()->options()['query_timeout']);
    }

    public function testTheNumberOfAnOctalModeIsAMode(): void
    {
        // What YAML makes of 0640 and 0o640.
        $permissions = 'permissions: { files: ' . 0640 . ', directories: ' . 0750 . ' }';
        $this->site->boot(str_replace('$storage_dir$"', "\$storage_dir\$\", $permissions", Site::yaml()));
        (new ServiceDoor($this->site))->create('images/s/a.txt', 'one');
        $this->assertSame('0640', $this->mode($this->site->path('images/s/a.txt')));
        $this->assertSame('0750', $this->mode($this->site->path('images/s')));
    }

    public function testWithoutTheExtensionOneSentenceSaysSo(): void
    {
        $script = \dirname(__DIR__) . '/tests/Support/without_extension.php';
        $command = [\PHP_BINARY, '-n', ...self::sharedExtensions(), $script];
        exec(implode(' ', array_map('escapeshellarg', $command)) . ' 2>&1', $said, $code);
        $this->assertSame(0, $code, implode("\n", $said));
        $this->assertCount(2, $said);
        foreach ($said as $line) {
            $this->assertStringStartsWith('LogicException: ezdfs-bundle needs the PHP extension "ezdfs"', $line);
        }
    }

    /** What of Symfony's needs is not part of this PHP itself. */
    private static function sharedExtensions(): array
    {
        $options = [];
        foreach (['ctype', 'mbstring', 'tokenizer'] as $name) {
            if (is_file(ini_get('extension_dir') . "/$name.so")) {
                array_push($options, '-d', "extension=$name");
            }
        }

        return $options;
    }

    /** @dataProvider halves */
    #[DataProvider('halves')]
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

    public static function halves(): array
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
        $this->assertFalse($this->site->container()->has('test.metadata_handler'), 'there is no pair');
    }

    private function withSystem(string $more): string
    {
        return str_replace('system: {', "system: { $more,", Site::yaml());
    }
}
