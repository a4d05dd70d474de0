<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

use Ezdfs\Bundle\Dsn;

/**
 * `ezdfs agent` for a site's table, with the change log that it follows.
 */
final class Agent
{
    private const PATIENCE = 60;

    /** @var resource */
    private $process;

    public readonly string $replica;

    public function __construct(private readonly Site $site)
    {
        $this->replica = "$site->home/replica";
        $this->run('schema', '--create-feed');
        $this->process = $this->start(['agent'], $pipes);
        for ($end = time() + self::PATIENCE; !$this->isUsable(); usleep(50_000)) {
            if (time() > $end) {
                $this->stop();
                throw new \RuntimeException('the replica does not become usable');
            }
        }
    }

    /** What the suite's runner has named. */
    public static function command(): string
    {
        return getenv('EZDFS_TEST_COMMAND') ?: \dirname(__DIR__, 4) . '/build/ezdfs';
    }

    /** From now on the replica hears of nothing. */
    public function freeze(): void
    {
        $this->signal(19);
    }

    public function thaw(): void
    {
        $this->signal(18);
    }

    public function stop(): void
    {
        $this->thaw();
        proc_terminate($this->process);
        proc_close($this->process);
        $this->run('schema', '--drop-feed');
    }

    private function signal(int $number): void
    {
        proc_terminate($this->process, $number);
    }

    private function isUsable(): bool
    {
        return $this->code('replica', 'status') === 0;
    }

    private function run(string ...$arguments): void
    {
        if ($this->code(...$arguments) !== 0) {
            throw new \RuntimeException('ezdfs ' . implode(' ', $arguments) . ' failed');
        }
    }

    private function code(string ...$arguments): int
    {
        $process = $this->start($arguments, $pipes);
        stream_get_contents($pipes[1]);

        return proc_close($process);
    }

    /** @return resource */
    private function start(array $arguments, ?array &$pipes)
    {
        $environment = [
            'EZDFS_DSN' => Dsn::fromDoctrine(Site::database()),
            'EZDFS_TABLE' => $this->site->table(),
            'EZDFS_ROOT' => $this->site->path(''),
            'EZDFS_NAME_PREFIX' => Site::PREFIX,
            'EZDFS_REPLICA' => $this->replica,
            // As long as a test takes, on a busy machine.
            'EZDFS_REPLICA_MAX_LAG' => '1h',
        ];
        $output = $arguments === ['agent'] ? ['file', '/dev/null', 'w'] : ['pipe', 'w'];

        return proc_open([self::command(), ...$arguments], [1 => $output, 2 => ['file', '/dev/null', 'w']], $pipes, null, $environment);
    }
}
