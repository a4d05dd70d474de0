<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

use Ezdfs\Bundle\Dsn;
use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\Tests\Kernel\Settings;
use Symfony\Component\DependencyInjection\ContainerInterface;
use Symfony\Component\Filesystem\Filesystem;

/**
 * One site: a mount, a table and the container of its configuration.
 */
final class Site
{
    public const PREFIX = 'var/site/storage';

    private const MARK = '.mounted';

    public readonly string $home;
    public readonly string $mount;
    private ?TestKernel $kernel = null;
    private ?Node $node = null;

    public function __construct()
    {
        $this->home = sys_get_temp_dir() . '/ezdfs-bundle-' . bin2hex(random_bytes(6));
        $this->mount = "$this->home/nfs";
        mkdir($this->path(''), 0755, true);
        // An empty directory would be taken for a mount point without a mount.
        touch($this->path(self::MARK));
        $store = new \Ezdfs\Store(['dsn' => Dsn::fromDoctrine(self::database()), 'root' => $this->path('')]
            + ['table' => $this->table()]);
        $store->createSchema();
        $this->sql("DELETE FROM {$this->table()}");
    }

    public function remove(): void
    {
        $this->kernel?->shutdown();
        $this->node?->stop();
        (new Filesystem())->remove($this->home);
    }

    /** The configuration of the design, with this site's mount. */
    public static function yaml(): string
    {
        return file_get_contents(\dirname(__DIR__) . '/config/' . strtolower(Family::installed()->name) . '.yaml');
    }

    public function boot(?string $yaml = null, bool $bundleComesFirst = false): ContainerInterface
    {
        return $this->start(new TestKernel($this->home, $this->mounted($yaml), self::database(), $bundleComesFirst));
    }

    public function start(TestKernel $kernel): ContainerInterface
    {
        $this->kernel?->shutdown();
        (new Filesystem())->remove("$this->home/cache");
        $this->kernel = $kernel;
        $this->kernel->boot();

        return $this->container();
    }

    /** A configuration with this site's mount in it. */
    public function mounted(?string $yaml = null): string
    {
        return str_replace('/path/to/nfs', $this->mount, $yaml ?? self::yaml());
    }

    public function container(): ContainerInterface
    {
        return $this->kernel ? $this->kernel->getContainer() : $this->boot();
    }

    public function ioService(): object
    {
        return $this->container()->get(Family::installed()->ioService());
    }

    public function settings(): Settings
    {
        return $this->container()->get(Family::installed()->configResolver());
    }

    public function registry(string $half): object
    {
        return $this->container()->get(Family::installed()->registry($half));
    }

    public function handler(string $half): object
    {
        $setting = $this->settings()->getParameter("io.{$half}_handler");

        return $this->registry($half)->getConfiguredHandler($setting);
    }

    /**
     * Where the tests' database is, as Doctrine has it. From the environment:
     * `EZDFS_TEST_DSN`; an SQLite file where it names none.
     */
    public static function database(): array
    {
        static $fallback;
        $dsn = getenv('EZDFS_TEST_DSN') ?: 'sqlite:' . ($fallback ??= self::temporaryFile());
        if (str_starts_with($dsn, 'sqlite:')) {
            return ['driver' => 'pdo_sqlite', 'path' => substr($dsn, 7)];
        }
        $url = parse_url($dsn);

        return [
            'driver' => $url['scheme'] === 'mysql' ? 'pdo_mysql' : 'pdo_pgsql',
            'host' => $url['host'],
            'port' => $url['port'],
            'user' => $url['user'],
            'password' => $url['pass'],
            'dbname' => ltrim($url['path'], '/'),
        ] + ($url['scheme'] === 'mysql' ? ['charset' => 'utf8mb4'] : []);
    }

    private static function temporaryFile(): string
    {
        $path = tempnam(sys_get_temp_dir(), 'ezdfs-bundle-db-');
        $process = getmypid();
        register_shutdown_function(static function () use ($path, $process): void {
            // Forked children end by it, too.
            if (getmypid() === $process) {
                array_map(unlink(...), glob("$path*"));
            }
        });

        return $path;
    }

    public static function databaseKind(): string
    {
        return self::database()['driver'];
    }

    public function table(): string
    {
        return Family::installed()->defaultTable();
    }

    /** Plain SQL, as another node sends it. */
    public function sql(string $statement, array $values = []): array
    {
        return ($this->node ??= new Node(self::database()))->sql($statement, $values);
    }

    /** Before a fork: a child must not speak to its parent's node. */
    public function forgetNode(): void
    {
        $this->node?->stop();
        $this->node = null;
    }

    public function row(string $id): ?array
    {
        $hash = md5(self::PREFIX . "/$id");

        return $this->sql("SELECT * FROM {$this->table()} WHERE name_hash = ?", [$hash])[0] ?? null;
    }

    public function path(string $id): string
    {
        return rtrim("$this->mount/" . self::PREFIX . "/$id", '/');
    }

    /** What lies on the mount, by id. */
    public function files(): array
    {
        $root = $this->path('');
        $found = [];
        $options = \FilesystemIterator::SKIP_DOTS;
        foreach (new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator($root, $options)) as $file) {
            $found[] = substr($file->getPathname(), \strlen($root) + 1);
        }
        sort($found);

        return array_values(array_diff($found, [self::MARK]));
    }
}
