--TEST--
Code that takes an Ezdfs\StoreInterface can be given a double, with an Ezdfs\FileInfo of its own
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
var_dump($store instanceof Ezdfs\StoreInterface);

$interface = new ReflectionClass(Ezdfs\StoreInterface::class);
$names = fn (ReflectionClass $class) => array_map(fn ($method) => $method->name, $class->getMethods());
var_dump($interface->isInterface(), array_values(array_diff($names(new ReflectionClass($store)), $names($interface))));

// A double as PHPUnit would write it: each method with the types that the interface declares.
$body = '';
foreach ($interface->getMethods() as $method) {
    $parameters = array_map(
        fn ($parameter) => "{$parameter->getType()} \${$parameter->name}"
            . ($parameter->isOptional() ? ' = ' . var_export($parameter->getDefaultValue(), true) : ''),
        $method->getParameters()
    );
    $return = $method->getReturnType();
    $answer = "$return" === 'void' ? '' : "return \$this->answers['{$method->name}'];";
    $body .= "public function {$method->name}(" . implode(', ', $parameters) . "): $return { $answer }\n";
}
eval("class Double implements Ezdfs\\StoreInterface { public function __construct(private array \$answers) {}\n$body }");

function described(Ezdfs\StoreInterface $store): string
{
    $info = $store->load('images/1/a.jpg');
    return "{$info->uri}: {$info->size} bytes of {$info->mimeType}, {$info->mtime->format('Y')}, {$info->scope}, {$info->id}";
}

$info = new Ezdfs\FileInfo('images/1/a.jpg', 5, new DateTimeImmutable('2001-02-03'), 'image/jpeg', 'image', '/images/1/a.jpg');
echo described(new Double(['load' => $info])), "\n";
?>
--EXPECT--
bool(true)
bool(true)
array(2) {
  [0]=>
  string(11) "__construct"
  [1]=>
  string(5) "stats"
}
/images/1/a.jpg: 5 bytes of image/jpeg, 2001, image, images/1/a.jpg
