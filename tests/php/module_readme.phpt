--TEST--
The example of php/README.md runs; its table of settings and ezdfs.ini are those of the extension
--FILE--
<?php
require __DIR__ . '/store.inc';

$readme = file_get_contents(__DIR__ . '/../../php/README.md');

preg_match('/```php\n<\?php\n(.*?)```/s', $readme, $example);
$options = test_options();
test_store();
chdir(test_dir());
file_put_contents('a.jpg', "\xff\xd8\xff\xe0\0\x10JFIF\0");
eval(strtr($example[1], [
    "'mysql://ezdfs:secret@127.0.0.1/ezdfs'" => var_export($options['dsn'], true) . ", 'table' => '{$options['table']}'",
    '/mnt/nfs/var/site/storage' => $options['root'],
]));

preg_match_all('/^\| `ezdfs\.(\w+)` \| (?:`([^`]*)`)?/m', $readme, $rows, PREG_SET_ORDER);
$documented = array_column(array_map(fn ($row) => [$row[1], $row[2] ?? ''], $rows), 1, 0);
$actual = [];
foreach (ini_get_all('ezdfs', false) as $name => $value) {
    $actual[substr($name, strlen('ezdfs.'))] = (string) $value;
}
ksort($documented);
preg_match_all('/^;ezdfs\.(\w+) =/m', file_get_contents(__DIR__ . '/../../php/ezdfs.ini'), $keys);
sort($keys[1]);
var_dump($keys[1] === array_keys($actual));
var_dump(count($actual), array_diff_assoc($actual, $documented), array_diff_assoc($documented, $actual));
?>
--EXPECT--
image/jpeg, 11 bytes, /var/site/storage/images/1/a.jpg
images/1/a.jpg
gone
bool(true)
int(23)
array(0) {
}
array(0) {
}
