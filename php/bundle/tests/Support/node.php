<?php

/*
 * Another node: runs statements of plain SQL, a line of JSON each, and answers
 * with a line. A process of its own also because two copies of the SQLite
 * library in one process would break each other's locks.
 */

declare(strict_types=1);

[$dsn, $user, $password] = json_decode($argv[1], true);
$pdo = new PDO($dsn, $user, $password, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
if (str_starts_with($dsn, 'sqlite:')) {
    $pdo->exec('PRAGMA busy_timeout = 30000');
}
while (($line = fgets(STDIN)) !== false) {
    [$sql, $values] = json_decode($line, true);
    try {
        $rows = [];
        if ($values === []) {
            // Without preparing: the definition of a trigger cannot be prepared everywhere.
            $result = $pdo->query($sql);
        } else {
            $result = $pdo->prepare($sql);
            $result->execute($values);
        }
        if ($result && $result->columnCount() > 0) {
            $rows = $result->fetchAll(PDO::FETCH_ASSOC);
        }
        $result = null;
        $answer = ['rows' => $rows];
    } catch (PDOException $e) {
        $answer = ['error' => $e->getMessage()];
    }
    echo json_encode($answer, JSON_THROW_ON_ERROR), "\n";
}
