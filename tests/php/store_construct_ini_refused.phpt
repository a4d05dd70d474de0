--TEST--
A bad value in php.ini is refused where a store is made of it, unless the array replaces it
--INI--
ezdfs.cache_ttl=soon
--FILE--
<?php
require __DIR__ . '/store.inc';

$other = ['dsn' => 'sqlite:/nowhere.sqlite', 'root' => '/mnt/nfs'];
try {
    new Ezdfs\Store($other);
} catch (Ezdfs\Exception\InvalidConfigException $e) {
    echo $e->getMessage(), "\n", $e->getOperation(), ' ', $e->getSubject(), "\n";
}
thrown(fn () => new Ezdfs\Store(['cache_ttl' => 'later'] + $other));
new Ezdfs\Store(['cache_ttl' => '1s'] + $other);
echo "good\n";
?>
--EXPECT--
php.ini "ezdfs.cache_ttl": option "cache_ttl": "soon" is not a time such as 500ms, 5s or 1m
__construct ezdfs.cache_ttl
Ezdfs\Exception\InvalidConfigException: option "cache_ttl": "later" is not a time such as 500ms, 5s or 1m
good
