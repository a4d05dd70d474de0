--TEST--
php.ini gives the defaults of Ezdfs\Store::__construct(), the array goes before it
--INI--
ezdfs.root=/mnt/nfs
ezdfs.table=ibexa_dfs_file
ezdfs.url_prefix=http://static.example.com/
--FILE--
<?php
$store = new Ezdfs\Store(['dsn' => 'sqlite:/nowhere.sqlite', 'url_prefix' => '/files']);
echo $store->uri('images/a.png'), "\n";
$store = new Ezdfs\Store(['dsn' => 'sqlite:/nowhere.sqlite', 'url_prefix' => null]);
echo $store->uri('images/a.png'), "\n";
var_dump(ini_get('ezdfs.table'), ini_get('ezdfs.cache_ttl'), ini_get('ezdfs.dsn'));
var_dump(ini_set('ezdfs.table', 'other'));
?>
--EXPECT--
/files/images/a.png
http://static.example.com/images/a.png
string(14) "ibexa_dfs_file"
string(2) "5s"
string(0) ""
bool(false)
