<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

/**
 * What nodes without ezdfs do to the table and the mount: plain SQL and plain
 * file functions.
 */
final class PhpNode
{
    public function __construct(private readonly Site $site)
    {
    }

    /** As a kernel's handlers write: the bytes in place, then the row. */
    public function create(string $id, string $contents, string $type): void
    {
        $path = $this->site->path($id);
        @mkdir(\dirname($path), 0755, true);
        file_put_contents($path, $contents);
        $name = Site::PREFIX . "/$id";
        $values = [time(), \strlen($contents), $type, md5($name)];
        $table = $this->site->table();
        if ($this->site->row($id) !== null) {
            $this->site->sql("UPDATE $table SET mtime = ?, size = ?, datatype = ? WHERE name_hash = ?", $values);

            return;
        }
        $columns = 'mtime, size, datatype, name_hash, name, name_trunk, scope';
        try {
            $this->site->sql("INSERT INTO $table ($columns) VALUES (?, ?, ?, ?, ?, ?, 'image')", [...$values, $name, $name]);
        } catch (\RuntimeException) {
            // Another node was faster.
        }
    }

    /** As a kernel's handler loads; null for what it does not see. */
    public function load(string $id): ?array
    {
        $row = $this->site->row($id);

        return $row !== null && !$row['expired'] && $row['mtime'] > 0 ? $row : null;
    }

    public function contents(string $id): string
    {
        return file_get_contents($this->site->path($id));
    }

    /** As a kernel deletes a directory of variations. */
    public function deleteDirectory(string $path): void
    {
        $like = Site::PREFIX . "/$path/%";
        $this->site->sql("DELETE FROM {$this->site->table()} WHERE name LIKE ?", [$like]);
        foreach (glob($this->site->path($path) . '/*') as $file) {
            @unlink($file);
        }
        @rmdir($this->site->path($path));
    }

    /** As legacy deletes: the row says so, the file stays. */
    public function softDelete(string $id): void
    {
        $hash = md5(Site::PREFIX . "/$id");
        $true = Site::databaseKind() === 'pdo_pgsql' ? 'true' : '1';
        $table = $this->site->table();
        $this->site->sql("UPDATE $table SET mtime = -ABS(mtime), expired = $true WHERE name_hash = ?", [$hash]);
    }

    /** As legacy purges: what is soft-deleted, file and row. Says how many. */
    public function purge(): int
    {
        $true = Site::databaseKind() === 'pdo_pgsql' ? 'true' : '1';
        $table = $this->site->table();
        $rows = $this->site->sql("SELECT name FROM $table WHERE expired = $true");
        foreach ($rows as $row) {
            unlink($this->site->mount . '/' . $row['name']);
            $this->site->sql("DELETE FROM $table WHERE name_hash = ?", [md5($row['name'])]);
        }

        return \count($rows);
    }

    /** As legacy compares table and mount: names that only one of them has. */
    public function differences(): array
    {
        $rows = array_column($this->site->sql("SELECT name FROM {$this->site->table()}"), 'name');
        $files = array_map(static fn (string $id) => Site::PREFIX . "/$id", $this->site->files());

        return [...array_diff($rows, $files), ...array_diff($files, $rows)];
    }
}
