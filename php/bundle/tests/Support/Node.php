<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

/**
 * A node of the cluster that has no ezdfs: plain SQL in another process.
 */
final class Node
{
    /** @var resource */
    private $process;

    private array $pipes = [];

    public function __construct(array $database)
    {
        $dsn = match ($database['driver']) {
            'pdo_sqlite' => ['sqlite:' . $database['path'], null, null],
            'pdo_mysql' => ["mysql:host={$database['host']};port={$database['port']};dbname={$database['dbname']};charset=utf8mb4"],
            'pdo_pgsql' => ["pgsql:host={$database['host']};port={$database['port']};dbname={$database['dbname']}"],
        };
        $dsn += [1 => $database['user'] ?? null, 2 => $database['password'] ?? null];
        $command = [\PHP_BINARY, __DIR__ . '/node.php', json_encode($dsn)];
        $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w']], $this->pipes);
    }

    public function sql(string $statement, array $values = []): array
    {
        fwrite($this->pipes[0], json_encode([$statement, $values]) . "\n");
        $answer = json_decode((string) fgets($this->pipes[1]), true);
        if (!isset($answer['rows'])) {
            throw new \RuntimeException($answer['error'] ?? 'the node is gone');
        }

        return $answer['rows'];
    }

    public function stop(): void
    {
        fclose($this->pipes[0]);
        fclose($this->pipes[1]);
        proc_close($this->process);
    }
}
