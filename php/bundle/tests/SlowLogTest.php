<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Profiler\Call;
use Ezdfs\Bundle\Profiler\SlowLog;
use Ezdfs\Bundle\Profiler\Tally;
use Ezdfs\Bundle\Profiler\TraceableStore;
use Ezdfs\Bundle\Tests\Support\HandlersDoor;
use Ezdfs\Bundle\Tests\Support\ProfiledKernel;
use Ezdfs\Bundle\Tests\Support\ProfiledTestCase;
use Ezdfs\Bundle\Tests\Support\ServiceDoor;
use Ezdfs\Exception\NotFoundException;
use Ezdfs\Store;
use PHPUnit\Framework\Attributes\DataProvider;
use Psr\Log\AbstractLogger;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Component\Config\Definition\Exception\InvalidConfigurationException;

final class SlowLogTest extends ProfiledTestCase
{
    private const ALL = 'ezdfs: { slow_operation_ms: 0 }';

    public function testWhatIsSlowIsLoggedInItsChannel(): void
    {
        $this->startLogged(self::ALL);
        (new ServiceDoor($this->site))->create('images/1/a.txt', 'bytes');
        $records = $this->records();

        $create = $records[array_search('create', array_column(array_column($records, 'context'), 'operation'), true)];
        $this->assertSame('WARNING', $create['level_name']);
        $this->assertSame('images/1/a.txt', $create['context']['id']);
        $this->assertSame($this->site->path(''), $create['context']['root']);
        $this->assertSame($this->site->table(), $create['context']['table']);
        $this->assertSame('ok', $create['context']['outcome']);
        $this->assertIsFloat($create['context']['milliseconds']);
    }

    public function testWhatIsNotSlowIsNot(): void
    {
        $this->startLogged('ezdfs: { slow_operation_ms: 3600000 }');
        (new ServiceDoor($this->site))->create('images/1/a.txt', 'bytes');
        $this->assertSame([], $this->records());
        $this->assertInstanceOf(TraceableStore::class, $this->store());
    }

    public function testByDefaultNothingIsLoggedNorMeasured(): void
    {
        $this->startLogged('');
        (new ServiceDoor($this->site))->create('images/1/a.txt', 'bytes');
        $this->assertSame([], $this->records());
        $this->assertInstanceOf(Store::class, $this->store());
    }

    public function testAFailureIsLoggedWithItsClass(): void
    {
        $this->startLogged(self::ALL);
        $door = new HandlersDoor($this->site);
        $this->assertInstanceOf($door->notFound(), $this->thrownBy(fn () => $door->load('images/none.txt')));
        $this->assertSame(NotFoundException::class, $this->records()[0]['context']['outcome']);
    }

    /** @dataProvider loops */
    #[DataProvider('loops')]
    public function testAListingIsLoggedOnceWhenItsLoopEnds(\Closure $loop): void
    {
        $this->startLogged(self::ALL);
        $this->store()->createFromString('images/1/a.txt', 'bytes');
        $this->store()->createFromString('images/1/b.txt', 'bytes');
        $files = $this->store()->list('images');
        $count = \count($this->records());
        $loop($files);
        unset($files);
        $records = \array_slice($this->records(), $count);
        $this->assertSame([['list', 'images']], array_map(
            static fn ($record): array => [$record['context']['operation'], $record['context']['id']],
            $records
        ));
    }

    public static function loops(): array
    {
        return [
            'to its end' => [static fn (\Iterator $files) => iterator_to_array($files)],
            'left' => [static function (\Iterator $files): void {
                foreach ($files as $file) {
                    break;
                }
            }],
            'none' => [static fn () => null],
        ];
    }

    public function testAPlainLoggerWillDo(): void
    {
        // Symfony's own, which FrameworkBundle has where nobody brings another.
        $settings = self::ALL . "\nservices: { logger: { class: Symfony\\Component\\HttpKernel\\Log\\Logger, "
            . "arguments: [debug, '%kernel.project_dir%/plain.log'] } }";
        $this->start(new ProfiledKernel($this->site, [FrameworkBundle::class], $settings, isDebug: false));
        (new ServiceDoor($this->site))->create('images/1/a.txt', 'bytes');
        $this->assertMatchesRegularExpression(
            '~\[warning\] ezdfs: create "images/1/a.txt" took [0-9.]+ ms~',
            file_get_contents("{$this->site->home}/plain.log")
        );
    }

    public function testWithoutALoggerNothingFails(): void
    {
        $this->start(new ProfiledKernel($this->site, [], self::ALL, isDebug: false));
        $this->assertFalse($this->site->container()->has('logger'));
        (new ServiceDoor($this->site))->create('images/1/a.txt', 'bytes');
        $this->assertInstanceOf(TraceableStore::class, $this->store());
    }

    public function testALogThatCannotBeWrittenFailsNoOperation(): void
    {
        $broken = new class() extends AbstractLogger {
            public function log($level, $message, array $context = []): void
            {
                throw new \RuntimeException('the disk is full');
            }
        };
        (new SlowLog(0.0, $broken))->ended(new Call(new Tally(null, null), 'load', 'a'));
        $this->addToAssertionCount(1);
    }

    /** @dataProvider refused */
    #[DataProvider('refused')]
    public function testAThresholdThatIsNoneIsRefused(string $value): void
    {
        $kernel = new ProfiledKernel($this->site, [], "ezdfs: { slow_operation_ms: $value }");
        $e = $this->thrownBy(fn () => $this->start($kernel));
        $this->assertInstanceOf(InvalidConfigurationException::class, $e);
        $this->assertStringContainsString('ezdfs.slow_operation_ms', $e->getMessage());
    }

    public static function refused(): array
    {
        return [['-1'], ['1s'], ['true'], ["''"]];
    }

    public function testAThresholdOfTheEnvironment(): void
    {
        putenv('EZDFS_BUNDLE_SLOW=0.0');
        try {
            $this->startLogged("ezdfs: { slow_operation_ms: '%env(float:EZDFS_BUNDLE_SLOW)%' }");
            $this->store()->exists('a');
            $this->assertCount(1, $this->records());
        } finally {
            putenv('EZDFS_BUNDLE_SLOW');
        }
    }

    private function startLogged(string $settings): void
    {
        $this->start(new ProfiledKernel($this->site, [FrameworkBundle::class], $settings, isDebug: false, hasMonolog: true));
    }

    /** What was logged in the channel. */
    private function records(): array
    {
        $records = $this->site->container()->get('test.log')->getRecords();

        return array_values(array_filter($records, static fn ($record): bool => $record['channel'] === 'ezdfs'));
    }

    private function store(): object
    {
        return $this->site->container()->get('test.stores')->get([
            'dsn' => \Ezdfs\Bundle\Dsn::fromDoctrine($this->site->database()),
            'root' => $this->site->path(''),
            'table' => $this->site->table(),
        ]);
    }
}
