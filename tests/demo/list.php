<?php

// The uploaded pictures as JSON, newest first.

declare(strict_types=1);

$pictures = iterator_to_array((new Ezdfs\Store([]))->list('images/_uploads'));
usort($pictures, fn ($a, $b) => $b->mtime <=> $a->mtime);

header('Content-Type: application/json');
header('X-Content-Type-Options: nosniff');
header('Cache-Control: no-store');
echo json_encode(
    array_map(fn ($info) => ['name' => basename($info->id), 'url' => $info->uri], $pictures),
    JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES,
);
