--TEST--
Every kind of error has a class below EzdfsException
--FILE--
<?php
require __DIR__ . '/store.inc';

$names = ['NotFound', 'InvalidName', 'Unavailable', 'InvalidConfig', 'InvalidInput', 'Schema', 'Storage', 'Denied', 'NoSpace', 'Internal'];
foreach ($names as $name) {
    $class = "Ezdfs\\Exception\\{$name}Exception";
    echo $name, ' ', get_parent_class($class), "\n";
}
$base = new Ezdfs\Exception\EzdfsException('mine', 5, $cause = new Exception());
var_dump($base instanceof RuntimeException, $base->getMessage(), $base->getCode(), $base->getPrevious() === $cause);
var_dump($base->getOperation(), $base->getSubject());
?>
--EXPECT--
NotFound Ezdfs\Exception\EzdfsException
InvalidName Ezdfs\Exception\EzdfsException
Unavailable Ezdfs\Exception\EzdfsException
InvalidConfig Ezdfs\Exception\EzdfsException
InvalidInput Ezdfs\Exception\EzdfsException
Schema Ezdfs\Exception\EzdfsException
Storage Ezdfs\Exception\EzdfsException
Denied Ezdfs\Exception\EzdfsException
NoSpace Ezdfs\Exception\EzdfsException
Internal Ezdfs\Exception\EzdfsException
bool(true)
string(4) "mine"
int(5)
bool(true)
string(0) ""
string(0) ""
