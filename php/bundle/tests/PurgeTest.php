<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Profiler\TraceableStore;
use Ezdfs\Bundle\Tests\Support\CacheManager;
use Ezdfs\Bundle\Tests\Support\Site;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use PHPUnit\Framework\Attributes\DataProvider;
use Symfony\Component\DependencyInjection\Exception\ServiceNotFoundException;

/**
 * HTTP caches hear of what this process changes, by FOSHttpCache.
 */
final class PurgeTest extends SiteTestCase
{
    private const SETTINGS = <<<'YAML'

        ezdfs: { purge: { cache_manager: caches } }
        services: { caches: { class: Ezdfs\Bundle\Tests\Support\CacheManager, public: true } }
        YAML;

    private const URL = '/' . Site::PREFIX . '/images';

    protected function setUp(): void
    {
        parent::setUp();
        $this->site->boot(Site::yaml() . self::SETTINGS);
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testWhatIsStoredReplacedAndDeletedIsPurged(string $class): void
    {
        $door = new $class($this->site);
        foreach (['1/a.png', '1/b.png', '2/c.png'] as $name) {
            $door->create("images/$name", self::PNG);
            $this->assertPurged(["/$name"]);
        }
        $door->create('images/1/a.png', self::PNG . 'longer');
        $this->assertPurged(['/1/a.png']);
        $door->delete('images/1/a.png');
        $this->assertPurged(['/1/a.png']);
        $door->create('images/1/d.png', self::PNG);
        $this->assertPurged(['/1/d.png']);
        $door->deleteDirectory('images/1');
        $this->assertPurged(['/1/b.png', '/1/d.png']);
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testReadingPurgesNothing(string $class): void
    {
        $door = new $class($this->site);
        $door->create('images/1/a.png', self::PNG);
        $this->caches()->paths = [];
        $door->load('images/1/a.png');
        $door->exists('images/1/a.png');
        $door->contents('images/1/a.png');
        $door->mimeType('images/1/a.png');
        $this->assertSame([], $this->caches()->paths);
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testACacheThatRefusesMakesNothingFail(string $class): void
    {
        $door = new $class($this->site);
        $this->caches()->refuses = true;
        $door->create('images/1/a.png', self::PNG);
        $this->assertSame(self::PNG, $door->contents('images/1/a.png'));
        $door->delete('images/1/a.png');
        $this->assertFalse($door->exists('images/1/a.png'));
    }

    public function testByDefaultNobodyIsTold(): void
    {
        $this->site->boot();
        foreach (['metadata', 'binarydata'] as $half) {
            $handler = print_r($this->site->handler($half), true);
            $this->assertStringNotContainsString(TraceableStore::class, $handler);
        }
    }

    public function testAServiceThatIsNotThereIsNamed(): void
    {
        $error = $this->thrownBy(fn () => $this->site->boot(Site::yaml() . "\nezdfs: { purge: { cache_manager: none_such } }"));
        $this->assertInstanceOf(ServiceNotFoundException::class, $error);
        $this->assertStringContainsString('none_such', $error->getMessage());
    }

    private function caches(): CacheManager
    {
        return $this->site->container()->get('caches');
    }

    private function assertPurged(array $names): void
    {
        $caches = $this->caches();
        sort($caches->paths);
        $this->assertSame(array_map(static fn (string $name): string => self::URL . $name, $names), $caches->paths);
        $caches->paths = [];
    }
}
