--TEST--
MIME types are as good as fileinfo's on the same bytes; what a browser would run is no picture
--EXTENSIONS--
fileinfo
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$finfo = new finfo(FILEINFO_MIME_TYPE);
$tar = str_pad('BM.txt', 124, "\0") . "00000000005\0" . '00000000000' . "\0" . '        ' . str_repeat("\0", 356);
$tar = substr_replace($tar, sprintf("%06o\0 ", array_sum(array_map('ord', str_split($tar)))), 148, 8);
foreach ([
    "Caf\xe9, cr\xe8me, M\xfcnchen\n",
    "\n%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    $tar . str_repeat("\0", 512),
    'a', "\x1f\x8b", "\xc3\xa9", '{}',
    "1;\r\n2;\r\n",
    "[section]\nkey=value\n",
    "\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c" . str_repeat("\0", 30),
    "\xff\xfb\x90\x64" . str_repeat("\0", 100),
    '<!-- <svg> --><html>',
] as $bytes) {
    $mimeType = $store->createFromString('original/a', $bytes)->mimeType;
    if ($mimeType !== $finfo->buffer($bytes)) {
        echo bin2hex(substr($bytes, 0, 20)), ": $mimeType, not {$finfo->buffer($bytes)}\n";
    }
}
foreach (['<svg/><html>', '<svg></svg><script>a()</script>', '<!DOCTYPE html><svg/>'] as $bytes) {
    echo $store->createFromString('images/a.svg', $bytes)->mimeType, "\n";
}
?>
--EXPECT--
text/html
text/html
text/html
