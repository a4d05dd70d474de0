<?php

// Stores the picture of the page's form. From then on nginx serves it, and PHP is not asked again.

declare(strict_types=1);

const FIELD = 'picture';

function answer(int $status, string $text): never
{
    http_response_code($status);
    header('Content-Type: text/plain; charset=utf-8');
    header('X-Content-Type-Options: nosniff');
    exit($text . "\n");
}

function uploadedFile(): array
{
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        header('Allow: POST');
        answer(405, 'Pictures are sent by POST.');
    }
    if (!preg_match('~^multipart/form-data\s*;~i', $_SERVER['CONTENT_TYPE'] ?? '')) {
        answer(415, 'Pictures are sent as multipart/form-data.');
    }
    $file = $_FILES[FIELD] ?? [];
    // A field named "picture[]" has arrays here.
    $error = is_int($file['error'] ?? null) ? $file['error'] : UPLOAD_ERR_NO_FILE;
    match ($error) {
        UPLOAD_ERR_OK => null,
        UPLOAD_ERR_NO_FILE => answer(400, 'The form has no file in its field "' . FIELD . '".'),
        UPLOAD_ERR_INI_SIZE => answer(413, 'The file is larger than ' . ini_get('upload_max_filesize') . '.'),
        UPLOAD_ERR_PARTIAL => answer(400, 'The file did not arrive whole.'),
        default => answer(500, "PHP could not take the upload (error $error)."),
    };

    return $file;
}

function idOf(string $clientName): string
{
    $name = preg_replace('/[^A-Za-z0-9._-]+/', '-', $clientName);
    // The end has the extension, which people like to see.
    $name = trim(substr($name, -80), '.-') ?: 'picture';

    return 'images/_uploads/' . bin2hex(random_bytes(6)) . '-' . $name;
}

$file = uploadedFile();
$id = idOf($file['name']);
try {
    $store = new Ezdfs\Store([]); // its options stand in php-fpm.conf
    $info = $store->create($id, fopen($file['tmp_name'], 'rb'));
    // Found from the first bytes: neither the file's name nor the browser's word counts.
    if (!str_starts_with($info->mimeType, 'image/')) {
        $store->delete($id);
        answer(415, "This is no picture: it looks like {$info->mimeType}.");
    }
} catch (Ezdfs\Exception\UnavailableException $e) {
    header('Retry-After: 5');
    answer(503, "The picture was not stored: {$e->getMessage()}");
} catch (Ezdfs\Exception\EzdfsException $e) {
    answer(500, "The picture was not stored: {$e->getMessage()}");
}
header('Location: /', true, 303);
