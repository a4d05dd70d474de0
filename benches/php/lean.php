<?php

// The least that serves a stored picture from PHP: one query, then the file.

declare(strict_types=1);

$name = ltrim($_SERVER['DOCUMENT_URI'], '/');
$pdo = new PDO(getenv('BENCH_PDO'), 'ezdfs', 'secret', [PDO::ATTR_PERSISTENT => $_SERVER['PERSISTENT'] === '1']);
$find = $pdo->prepare('SELECT datatype, size, mtime FROM ezdfsfile WHERE name_hash = ? AND expired = 0 AND mtime > 0');
$find->execute([md5($name)]);
$row = $find->fetch(PDO::FETCH_ASSOC);
$file = $row ? @fopen(getenv('BENCH_ROOT') . '/' . $name, 'rb') : false;
if (!$file) {
    http_response_code(404);
    exit;
}

$size = (int) $row['size'];
$mtime = (int) $row['mtime'];
$etag = sprintf('"%x-%x"', $mtime, $size);
header('ETag: ' . $etag);
header('Last-Modified: ' . gmdate('D, d M Y H:i:s', $mtime) . ' GMT');
$same = $_SERVER['HTTP_IF_NONE_MATCH'] ?? null;
$since = $_SERVER['HTTP_IF_MODIFIED_SINCE'] ?? null;
if ($same !== null ? $same === $etag : $since !== null && strtotime($since) >= $mtime) {
    http_response_code(304);
    exit;
}

header('Content-Type: ' . $row['datatype']);
header('Accept-Ranges: bytes');
if (preg_match('/^bytes=(\d+)-(\d*)$/', $_SERVER['HTTP_RANGE'] ?? '', $range) && (int) $range[1] < $size) {
    $first = (int) $range[1];
    $last = $range[2] === '' ? $size - 1 : min((int) $range[2], $size - 1);
    http_response_code(206);
    header("Content-Range: bytes $first-$last/$size");
    header('Content-Length: ' . ($last - $first + 1));
    fseek($file, $first);
    echo fread($file, $last - $first + 1);
    exit;
}
header('Content-Length: ' . $size);
fpassthru($file);
