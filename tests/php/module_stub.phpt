--TEST--
The stub file says what the extension says of itself
--FILE--
<?php
require __DIR__ . '/reflect.inc';

$stub = __DIR__ . '/../../php/stubs/ezdfs.stub.php';
$command = [PHP_BINARY, '-n', __DIR__ . '/reflect.inc', $stub];
$stubbed = shell_exec(implode(' ', array_map('escapeshellarg', $command)));
$extension = reflected();
if ($stubbed === $extension) {
    echo substr_count($extension, 'class '), " classes agree\n";
} else {
    echo "stub only:\n", implode("\n", array_diff(explode("\n", $stubbed), explode("\n", $extension)));
    echo "\nextension only:\n", implode("\n", array_diff(explode("\n", $extension), explode("\n", $stubbed)));
}
?>
--EXPECT--
14 classes agree
