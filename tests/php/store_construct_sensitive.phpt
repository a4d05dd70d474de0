--TEST--
Stack traces do not show the options of Ezdfs\Store::__construct()
--SKIPIF--
<?php
if (PHP_VERSION_ID < 80200) {
    die('skip SensitiveParameter came with PHP 8.2');
}
?>
--INI--
zend.exception_ignore_args=0
--FILE--
<?php
require __DIR__ . '/store.inc';

foreach ([['dsn' => 'mysql://u:hunter2@h/db', 'root' => 'relative'], ['dsn' => 'mysql://u:hunter2@']] as $options) {
    try {
        new Ezdfs\Store($options);
    } catch (Ezdfs\Exception\InvalidConfigException $e) {
        echo $e->getTraceAsString(), "\n", $e->getTrace()[0]['args'][0]::class, "\n";
        var_dump(str_contains(print_r($e, true), 'hunter2'));
    }
}
try {
    new Ezdfs\Store('mysql://u:hunter2@h/db');
} catch (TypeError $e) {
    var_dump(str_contains((string) $e, 'hunter2'));
}
$parameter = new ReflectionParameter([Ezdfs\Store::class, '__construct'], 'options');
foreach ($parameter->getAttributes() as $attribute) {
    echo $attribute->getName(), ' ', $attribute->newInstance()::class, "\n";
}
?>
--EXPECTF--
#0 %s(%d): Ezdfs\Store->__construct(Object(SensitiveParameterValue))
#1 {main}
SensitiveParameterValue
bool(false)
#0 %s(%d): Ezdfs\Store->__construct(Object(SensitiveParameterValue))
#1 {main}
SensitiveParameterValue
bool(false)
bool(false)
SensitiveParameter SensitiveParameter
