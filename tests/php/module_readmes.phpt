--TEST--
The classes, methods, settings and exceptions that the READMEs name are those of the extension
--FILE--
<?php
require __DIR__ . '/reflect.inc';

$php = file_get_contents(__DIR__ . '/../../php/README.md');
$bundle = file_get_contents(__DIR__ . '/../../php/bundle/README.md');
$exceptions = [];
foreach (reflected_names() as $name) {
    if (is_subclass_of($name, Ezdfs\Exception\EzdfsException::class)) {
        $exceptions[] = substr($name, strlen('Ezdfs\Exception\\'));
    }
}
preg_match_all('/^\| `(\w+Exception)` \|/m', $php, $rows);
sort($rows[1]);
var_dump(count($exceptions), $rows[1] === $exceptions);

// The bundle has classes of its own below Ezdfs\Bundle.
preg_match_all('/\bEzdfs(?:\\\\(?!Bundle)\w+)+/', $php . $bundle, $classes);
echo implode("\n", array_diff(array_unique($classes[0]), reflected_names())), "\n";

$methods = [];
foreach (reflected_names() as $name) {
    array_push($methods, ...array_map(fn ($method) => $method->name, (new ReflectionClass($name))->getMethods()));
}
preg_match_all('/\$(?:store|info|e)->(\w+)\(/', $php . $bundle, $calls);
// Those with underscores are PHP's, of extensions that need not be there.
preg_match_all('/`([a-zA-Z]+)\(\)`/', $php, $named);
$called = array_filter([...$calls[1], ...$named[1]], fn ($name) => !function_exists($name));
echo implode("\n", array_diff($called, $methods)), "\n";

// Options that the bundle hands on are settings.
preg_match_all('/(?:options: |such as `)\{ ([^}]*) \}/', $bundle, $options);
preg_match_all('/(\w+):/', implode(', ', $options[1]), $keys);
$settings = array_map(fn ($name) => substr($name, strlen('ezdfs.')), array_keys(ini_get_all('ezdfs')));
var_dump(count($keys[1]) > 2, array_values(array_diff($keys[1], $settings)));
?>
--EXPECT--
int(10)
bool(true)


bool(true)
array(0) {
}
