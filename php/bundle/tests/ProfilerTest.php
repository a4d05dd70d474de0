<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Profiler\StoreCollector;
use Ezdfs\Bundle\Tests\Support\HandlersDoor;
use Ezdfs\Bundle\Tests\Support\ProfiledKernel;
use Ezdfs\Bundle\Tests\Support\ProfiledTestCase;
use Ezdfs\Bundle\Tests\Support\ServiceDoor;
use Ezdfs\Exception\NotFoundException;
use Ezdfs\Exception\UnavailableException;
use Ezdfs\Store;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Component\HttpKernel\Profiler\Profile;

/**
 * What Symfony's profiler shows, by Symfony's own bundles.
 */
final class ProfilerTest extends ProfiledTestCase
{
    private const PASSWORD = 'geh3im-Passw0rt';

    public function testWithoutAProfilerStoresAreTheExtensionsOwn(): void
    {
        $this->start(new ProfiledKernel($this->site, [FrameworkBundle::class], isDebug: false));
        $this->assertFalse($this->site->container()->has('test.profiler'));
        $this->assertInstanceOf(Store::class, $this->store());
    }

    public function testAProfilerInProductionHasNoCollectorAndStoresAreTheExtensionsOwn(): void
    {
        $this->start(new ProfiledKernel($this->site, ProfiledKernel::PROFILER, isDebug: false));
        $this->assertFalse($this->site->container()->get('test.profiler')->has('ezdfs'));
        $this->assertInstanceOf(Store::class, $this->store());
    }

    public function testAProfilerThatIsSwitchedOffCountsAsNone(): void
    {
        $off = 'framework: { profiler: { enabled: false } }';
        $this->start(new ProfiledKernel($this->site, ProfiledKernel::PROFILER, $off));
        $this->assertInstanceOf(Store::class, $this->store());
    }

    public function testACollectorWorksWithoutTwigAndWebProfiler(): void
    {
        $on = 'framework: { profiler: { collect: true } }';
        $this->start(new ProfiledKernel($this->site, [FrameworkBundle::class], $on));
        $collector = self::collectorOf($this->visit(fn () => $this->store()->exists('a')));
        $this->assertSame(1, $collector->getCallCount());
    }

    public function testCallsTimeAndHitsAreThoseOfTheRequest(): void
    {
        $this->startProfiled();
        $this->visit(fn () => (new ServiceDoor($this->site))->create('images/1/a.txt', 'bytes'));
        $collector = self::collectorOf($this->visit(function (): void {
            $this->assertSame('images/1/a.txt', (new ServiceDoor($this->site))->load('images/1/a.txt')->id);
            $this->assertTrue((new HandlersDoor($this->site))->exists('images/1/a.txt'));
            $this->assertSame('bytes', (new HandlersDoor($this->site))->contents('images/1/a.txt'));
        }));

        $calls = $collector->getCalls();
        $methods = array_column($calls, 'method');
        $this->assertSame(['load', 'exists', 'readData'], array_values(array_unique($methods)));
        $this->assertSame(['images/1/a.txt'], array_unique(array_column($calls, 'id')));
        $this->assertSame(['ok'], array_unique(array_column($calls, 'outcome')));
        $this->assertSame(\count($calls), $collector->getCallCount());
        $this->assertSame(0, $collector->getFailureCount());
        $this->assertGreaterThan(0.0, $collector->getMilliseconds());
        $sum = array_sum(array_column($calls, 'milliseconds'));
        $this->assertEqualsWithDelta($sum, $collector->getMilliseconds(), 1e-6);
        // Each of load and exists asked the table; the half that moves bytes has none.
        $asked = \count(array_diff($methods, ['readData']));
        $this->assertSame(['database' => $asked], $collector->getHits());
        $isOfBytes = static fn (array $store): bool => $store['table'] === null;
        $bytes = array_values(array_filter($collector->getStores(), $isOfBytes));
        $this->assertSame($this->site->path(''), $bytes[0]['root']);
        $this->assertSame([], $bytes[0]['hits']);
    }

    public function testACacheShowsAsTheSource(): void
    {
        $this->startProfiled();
        $collector = self::collectorOf($this->visit(function (): void {
            $store = $this->store(['cache_size' => '1m', 'cache_ttl' => '1h']);
            $store->createFromString('images/1/a.txt', 'bytes');
            $store->load('images/1/a.txt');
            $store->load('images/1/a.txt');
        }));
        $this->assertSame(3, $collector->getCallCount());
        $this->assertGreaterThan(0, $collector->getHits()['cache'] ?? 0);
    }

    public function testAFailingCallThrowsWhatTheStoreThrowsAndShows(): void
    {
        $this->startProfiled();
        $collector = self::collectorOf($this->visit(function (): void {
            $e = $this->thrownBy(fn () => $this->store()->load('images/none.txt'));
            $this->assertSame(NotFoundException::class, $e::class);
            $this->assertSame(['load', 'images/none.txt'], [$e->getOperation(), $e->getSubject()]);
        }));
        $this->assertSame(1, $collector->getFailureCount());
        $this->assertSame(NotFoundException::class, $collector->getCalls()[0]['outcome']);
    }

    public function testAListingIsLazyAndOneCall(): void
    {
        $this->startProfiled();
        $collector = self::collectorOf($this->visit(function (): void {
            $files = $this->store()->list();
            // Asked when the loop begins, and not before.
            $this->store()->createFromString('images/1/a.txt', 'bytes');
            $this->store()->createFromString('images/1/b.txt', 'bytes');
            $ids = [];
            foreach ($files as $key => $file) {
                $ids[$key] = $file->id;
            }
            $this->assertSame(['images/1/a.txt', 'images/1/b.txt'], $ids);
        }));
        $this->assertSame(['list', 'createFromString', 'createFromString'], array_column($collector->getCalls(), 'method'));
        $this->assertSame('ok', $collector->getCalls()[0]['outcome']);
    }

    public function testALoopThatFailsIsAFailedCall(): void
    {
        $this->startProfiled();
        $collector = self::collectorOf($this->visit(function (): void {
            $files = $this->unreachable()->list();
            $e = $this->thrownBy(fn () => iterator_to_array($files));
            $this->assertInstanceOf(UnavailableException::class, $e);
            $this->assertSame('list', $e->getOperation());
        }));
        $this->assertSame(1, $collector->getFailureCount());
        $this->assertSame(UnavailableException::class, $collector->getCalls()[0]['outcome']);
    }

    public function testVeryManyCallsAreCountedAndSomeListed(): void
    {
        $this->startProfiled();
        $profile = $this->visit(function (): void {
            for ($n = 0; $n < 1100; ++$n) {
                $this->store()->uri('images/1/a.txt');
            }
        });
        $this->assertSame(1100, self::collectorOf($profile)->getCallCount());
        $this->assertCount(1000, self::collectorOf($profile)->getCalls());
        $this->assertStringContainsString('The first 1000 of 1100.', $this->text($this->panel($profile)));
    }

    public function testResetBeginsANewRequest(): void
    {
        $this->startProfiled();
        $this->visit(fn () => $this->store()->exists('a'));
        $profiler = $this->site->container()->get('test.profiler');
        $profiler->reset();
        $this->assertSame(0, $profiler->get('ezdfs')->getCallCount());
        $collector = self::collectorOf($this->visit(static function (): void {}));
        $this->assertSame([0, [], []], [$collector->getCallCount(), $collector->getCalls(), $collector->getHits()]);
    }

    public function testToolbarAndPanelShowThem(): void
    {
        $this->startProfiled();
        $profile = $this->visit(function (): void {
            (new ServiceDoor($this->site))->create('images/1/<b>.txt', 'bytes');
            $this->store()->exists('images/1/<b>.txt');
            $this->thrownBy(fn () => $this->store()->load("images/\xff.txt"));
        });
        $calls = self::collectorOf($profile)->getCallCount();

        $toolbar = $this->shown("/_wdt/{$profile->getToken()}");
        $this->assertStringContainsString('sf-toolbar-block-ezdfs', $toolbar);
        $expected = "/ezdfs calls $calls Failed 1 Time [0-9.]+ ms Found in database \d+/";
        $this->assertMatchesRegularExpression($expected, $this->text($toolbar));

        $panel = $this->panel($profile);
        $this->assertStringContainsString("ezdfs $calls Calls", $this->text($panel));
        $this->assertStringContainsString($this->site->table(), $panel);
        $this->assertStringContainsString($this->site->path(''), $panel);
        $this->assertMatchesRegularExpression('~\d exists images/1/<b>.txt [0-9.]+ ms ok~', $this->text($panel));
        $this->assertStringNotContainsString('<b>.txt', $panel);
        $this->assertStringContainsString('InvalidNameException', $panel);
        $this->assertStringContainsString('<svg', $panel);
        if ($file = getenv('EZDFS_TEST_PANEL')) {
            file_put_contents($file, $panel);
        }
    }

    public function testAPageWithoutCallsHasNoToolbarItem(): void
    {
        $this->startProfiled();
        $profile = $this->visit(static function (): void {});
        $this->assertStringNotContainsString('sf-toolbar-block-ezdfs', $this->shown("/_wdt/{$profile->getToken()}"));
        $this->assertStringContainsString('No store was called.', $this->panel($profile));
    }

    public function testAPasswordIsNowhere(): void
    {
        $this->startProfiled();
        $profile = $this->visit(function (): void {
            $this->thrownBy(fn () => $this->unreachable()->load('images/1/a.txt'));
            $this->thrownBy(fn () => $this->unreachable()->createSchema());
        });
        $this->assertSame(2, self::collectorOf($profile)->getFailureCount());
        $this->assertStringContainsString('unreachable_table', $this->panel($profile));
        $this->assertStringNotContainsString(self::PASSWORD, $this->panel($profile));
        $this->assertStringNotContainsString(self::PASSWORD, serialize($profile));
        $this->assertStringNotContainsString(self::PASSWORD, $this->shown("/_wdt/{$profile->getToken()}"));
    }

    private function startProfiled(): void
    {
        $this->start(new ProfiledKernel($this->site, ProfiledKernel::PROFILER));
    }

    private function store(array $options = []): object
    {
        return $this->site->container()->get('test.stores')->get($options + [
            'dsn' => \Ezdfs\Bundle\Dsn::fromDoctrine($this->site->database()),
            'root' => $this->site->path(''),
            'table' => $this->site->table(),
        ]);
    }

    private function unreachable(): object
    {
        $dsn = 'mysql://user:' . self::PASSWORD . '@127.0.0.1:1/none';

        return $this->store(['dsn' => $dsn, 'table' => 'unreachable_table']);
    }

    private function panel(Profile $profile): string
    {
        return $this->shown("/_profiler/{$profile->getToken()}?panel=ezdfs");
    }

    private static function collectorOf(Profile $profile): StoreCollector
    {
        return $profile->getCollector('ezdfs');
    }
}
