--TEST--
exif reads a stream of Ezdfs\Store::open() as the file itself, and says the file's name, size and time
--EXTENSIONS--
exif
--FILE--
<?php
require __DIR__ . '/store.inc';

// A JPEG with nothing in it but the orientation.
$tiff = "II*\0\x08\0\0\0" . pack('v', 1) . pack('vvVvv', 0x0112, 3, 1, 6, 0) . pack('V', 0);
$exif = "Exif\0\0" . $tiff;
$comment = "\xff\xfe" . pack('n', 15000) . str_repeat('x', 14998);
$scan = "\xff\xda" . pack('n', 8) . "\1\1\0\0\x3f\0" . "\xff\xd9";
$jpeg = "\xff\xd8\xff\xe1" . pack('n', strlen($exif) + 2) . $exif . $comment . $comment . $scan;

$store = test_store();
$info = $store->createFromString('images/1/a.jpg', $jpeg, ['mime_type' => 'image/jpeg']);
$path = test_path('images/1/a.jpg');
$ours = exif_read_data($store->open('images/1/a.jpg'));
var_dump($ours === exif_read_data(fopen($path, 'rb')), $ours === exif_read_data($store->openData('images/1/a.jpg')));
foreach (['FileName', 'FileSize', 'MimeType', 'Orientation'] as $key) {
    echo $key, ' ', $ours[$key], "\n";
}
var_dump($ours['FileDateTime'] === filemtime($path));

// The path goes on to say where the file was; the bytes are those that were opened.
$stream = $store->open('images/1/a.jpg');
$store->createFromString('images/1/a.jpg', 'other');
var_dump(stream_get_meta_data($stream)['uri'] === $path, fread($stream, 40000) === $jpeg);
$store->delete('images/1/a.jpg');
rewind($stream);
var_dump(stream_get_contents($stream) === $jpeg);
?>
--EXPECT--
bool(true)
bool(true)
FileName a.jpg
FileSize 30054
MimeType image/jpeg
Orientation 6
bool(true)
bool(true)
bool(true)
bool(true)
