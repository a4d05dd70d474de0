<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

/**
 * Work in processes forked from this one.
 */
final class Fork
{
    /** @var list<int> */
    private array $children = [];

    /** Starts a child. It ends without PHPUnit's and PHP's own ends. */
    public function start(callable $work): int
    {
        $pid = pcntl_fork();
        if ($pid === 0) {
            $program = '/bin/true';
            try {
                $work();
            } catch (\Throwable $e) {
                fwrite(\STDERR, "in a child: $e\n");
                $program = '/bin/false';
            }
            pcntl_exec($program);
        }

        return $this->children[] = $pid;
    }

    /** Waits for all children: whether each has succeeded. */
    public function join(): bool
    {
        $success = true;
        foreach ($this->children as $pid) {
            pcntl_waitpid($pid, $status);
            $success = $success && pcntl_wifexited($status) && pcntl_wexitstatus($status) === 0;
        }
        $this->children = [];

        return $success;
    }

    public static function kill(int $pid): void
    {
        posix_kill($pid, \SIGKILL);
        pcntl_waitpid($pid, $status);
    }
}
