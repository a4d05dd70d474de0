--TEST--
The stub file says what the extension says of itself, php --re too
--FILE--
<?php
require __DIR__ . '/reflect.inc';

$stub = __DIR__ . '/../../php/stubs/ezdfs.stub.php';
$command = [PHP_BINARY, '-n', __DIR__ . '/reflect.inc', $stub];
$stubbed = shell_exec(implode(' ', array_map('escapeshellarg', $command)));
$extension = reflected();
if ($stubbed === $extension) {
    echo preg_match_all('/^\S*\s?(class|interface) /m', $extension), " classes agree\n";
} else {
    echo "stub only:\n", implode("\n", array_diff(explode("\n", $stubbed), explode("\n", $extension)));
    echo "\nextension only:\n", implode("\n", array_diff(explode("\n", $extension), explode("\n", $stubbed)));
}

// What `php --re ezdfs` prints.
$module = new ReflectionExtension('ezdfs');
$printed = (string) $module;
preg_match_all('/^ +(?:Class|Interface) \[ <internal:ezdfs> (?:<iterateable> )?(?:final )?(?:class|interface) (\S+)/m', $printed, $shown);
sort($shown[1]);
var_dump($shown[1] === reflected_names());
var_dump($module->getFunctions(), $module->getConstants(), count($module->getINIEntries()));
preg_match_all('/Method \[ <internal:ezdfs[^>]*> [a-z ]+ method (\w+) \]/', $printed, $methods);
preg_match_all('/function (\w+)\(/', file_get_contents($stub), $documented);
var_dump(array_diff($documented[1], $methods[1]), array_diff($methods[1], $documented[1]));
?>
--EXPECT--
15 classes agree
bool(true)
array(0) {
}
array(0) {
}
int(23)
array(0) {
}
array(0) {
}
