--TEST--
Ezdfs\Store::__construct() refuses options by name and shows no password
--FILE--
<?php
require __DIR__ . '/store.inc';

$good = test_options();
thrown(fn () => new Ezdfs\Store([]));
thrown(fn () => new Ezdfs\Store(['dsn' => $good['dsn']]));
thrown(fn () => new Ezdfs\Store(['tabel' => 't'] + $good));
thrown(fn () => new Ezdfs\Store(['root' => 'relative'] + $good));
thrown(fn () => new Ezdfs\Store(['root' => 1.5] + $good));
thrown(fn () => new Ezdfs\Store(['root' => "/\xff"] + $good));
thrown(fn () => new Ezdfs\Store(['file_mode' => '0044'] + $good));
thrown(fn () => new Ezdfs\Store(['file_mode' => 0044] + $good));
thrown(fn () => new Ezdfs\Store(['file_mode' => 644] + $good));
thrown(fn () => new Ezdfs\Store(['file_mode' => 444] + $good));
thrown(fn () => new Ezdfs\Store(['dir_mode' => 755] + $good));
thrown(fn () => new Ezdfs\Store(['dir_mode' => 99999] + $good));
thrown(fn () => new Ezdfs\Store(['dsn' => 'mysql://u:hunter2@'] + $good));
thrown(fn () => new Ezdfs\Store(['root' => 'mysql://u:hunter2@h/db'] + $good));
thrown(fn () => new Ezdfs\Store(['mysql://u:hunter2@h/db' => 'x'] + $good));
thrown(fn () => new Ezdfs\Store(['mysql://u:hunter2@h/db' => 1.5] + $good));
thrown(fn () => new Ezdfs\Store());
?>
--EXPECTF--
Ezdfs\Exception\InvalidConfigException: option "dsn": required but not set
Ezdfs\Exception\InvalidConfigException: option "root": required but not set
Ezdfs\Exception\InvalidConfigException: option "tabel": unknown option; %s
Ezdfs\Exception\InvalidConfigException: option "root": "relative" is not an absolute path
Ezdfs\Exception\InvalidConfigException: option "root": must be a string or an integer
Ezdfs\Exception\InvalidConfigException: option "root": is not UTF-8
Ezdfs\Exception\InvalidConfigException: option "file_mode": "0044" would lock out its own owner (needs at least 0600)
Ezdfs\Exception\InvalidConfigException: option "file_mode": 36 is 0044 in octal, which would lock out its own owner (needs at least 0600)
Ezdfs\Exception\InvalidConfigException: option "file_mode": 644 is 1204 in octal, which would lock out its own owner (needs at least 0600); did you mean '0644', in quotes?
Ezdfs\Exception\InvalidConfigException: option "file_mode": 444 is 0674 in octal, which allows others what its owner may not
Ezdfs\Exception\InvalidConfigException: option "dir_mode": 755 is 1363 in octal, which would lock out its own owner (needs at least 0700); did you mean '0755', in quotes?
Ezdfs\Exception\InvalidConfigException: option "dir_mode": 99999 is 303237 in octal, which is not an octal permission such as 0644
Ezdfs\Exception\InvalidConfigException: option "dsn": mysql:// lacks the name of the database
Ezdfs\Exception\InvalidConfigException: option "root": the value is not an absolute path
Ezdfs\Exception\InvalidConfigException: option "(not shown)": unknown option; known are %s
Ezdfs\Exception\InvalidConfigException: option "(not shown)": must be a string or an integer
ArgumentCountError: %s
