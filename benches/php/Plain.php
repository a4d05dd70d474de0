<?php

// What a PHP programmer writes first: PDO for the table, file functions for the bytes, no guarantees.

declare(strict_types=1);

final class Plain
{
    private const PREFIX = 'var/site/storage/';

    public function __construct(private readonly PDO $pdo, private readonly string $root)
    {
    }

    public static function connect(bool $persistent = false): self
    {
        $pdo = new PDO(getenv('BENCH_PDO'), 'ezdfs', 'secret', [PDO::ATTR_PERSISTENT => $persistent]);

        return new self($pdo, getenv('BENCH_ROOT'));
    }

    /** @return array<string, mixed> */
    public function load(string $id): array
    {
        $find = $this->pdo->prepare('SELECT * FROM ezdfsfile WHERE name_hash = ? AND expired <> 1 AND mtime > 0');
        $find->execute([md5(self::PREFIX . $id)]);

        return $find->fetch(PDO::FETCH_ASSOC) ?: throw new RuntimeException("$id is missing");
    }

    public function exists(string $id): bool
    {
        $find = $this->pdo->prepare('SELECT 1 FROM ezdfsfile WHERE name_hash = ? AND expired <> 1 AND mtime > 0');
        $find->execute([md5(self::PREFIX . $id)]);

        return $find->fetchColumn() !== false;
    }

    public function read(string $id): string
    {
        $this->load($id);

        return file_get_contents($this->path($id));
    }

    /** @param resource $source */
    public function create(string $id, $source, string $mimeType): void
    {
        $path = $this->path($id);
        if (!is_dir(dirname($path))) {
            mkdir(dirname($path), 0755, true);
        }
        $size = file_put_contents($path, $source);
        $name = self::PREFIX . $id;
        $this->pdo->prepare(
            'INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime, expired) ' .
            'VALUES (?, ?, ?, ?, ?, ?, ?, 0) ON DUPLICATE KEY UPDATE datatype = VALUES(datatype), ' .
            'scope = VALUES(scope), size = VALUES(size), mtime = VALUES(mtime), expired = 0'
        )->execute([$name, $name, md5($name), $mimeType, 'image', $size, time()]);
    }

    public function delete(string $id): void
    {
        $this->pdo->prepare('DELETE FROM ezdfsfile WHERE name_hash = ?')->execute([md5(self::PREFIX . $id)]);
        unlink($this->path($id));
    }

    public function deleteDirectory(string $dir): void
    {
        $this->pdo->prepare('DELETE FROM ezdfsfile WHERE name LIKE ?')
            ->execute([addcslashes(self::PREFIX . $dir, '%_\\') . '/%']);
        self::remove($this->path($dir));
    }

    private static function remove(string $dir): void
    {
        foreach (scandir($dir) as $entry) {
            if ($entry === '.' || $entry === '..') {
                continue;
            }
            is_dir("$dir/$entry") ? self::remove("$dir/$entry") : unlink("$dir/$entry");
        }
        rmdir($dir);
    }

    private function path(string $id): string
    {
        return $this->root . '/' . $id;
    }
}
