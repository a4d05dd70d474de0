--TEST--
phpinfo() shows every setting and no password
--INI--
ezdfs.dsn="mysql://u:hunter2@db1,db2/ezdfs?password=hunter2"
ezdfs.root=/mnt/nfs
--FILE--
<?php
ob_start();
phpinfo(INFO_MODULES);
$output = ob_get_clean();
preg_match('/^ezdfs$.*?^ezdfs\.url_prefix.*?$/ms', $output, $section);
echo $section[0], "\n";
var_dump(str_contains($output, 'hunter2'));
?>
--EXPECTF--
ezdfs

ezdfs support => enabled
Version => %d.%d.%d
Databases => MySQL, MariaDB, PostgreSQL, SQLite

Directive => Local Value => Master Value
ezdfs.cache_content => 16m => 16m
ezdfs.cache_files => 1000 => 1000
ezdfs.cache_negative_ttl => 1s => 1s
ezdfs.cache_size => 16m => 16m
ezdfs.cache_table => no value => no value
ezdfs.cache_ttl => 5s => 5s
ezdfs.connect_timeout => 2s => 2s
ezdfs.dir_mode => 0755 => 0755
ezdfs.dsn => mysql://u:***@db1/ezdfs,mysql://u:***@db2/ezdfs => mysql://u:***@db1/ezdfs,mysql://u:***@db2/ezdfs
ezdfs.durability => full => full
ezdfs.file_mode => 0644 => 0644
ezdfs.max_connections => 4 => 4
ezdfs.mount_marker => no value => no value
ezdfs.mount_timeout => 5s => 5s
ezdfs.name_prefix => no value => no value
ezdfs.query_timeout => 5s => 5s
ezdfs.replica => no value => no value
ezdfs.replica_confirms => 100 => 100
ezdfs.replica_max_lag => 1s => 1s
ezdfs.root => /mnt/nfs => /mnt/nfs
ezdfs.stale_if_error => 0 => 0
ezdfs.table => ezdfsfile => ezdfsfile
ezdfs.url_prefix => no value => no value
bool(false)
