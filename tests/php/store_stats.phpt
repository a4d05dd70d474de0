--TEST--
Ezdfs\Store::stats() and phpinfo() show what was counted
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
$store->createFromString('images/a', 'bytes');
$before = $store->stats();
$store->load('images/a');
$store->read('images/a');
thrown(fn () => $store->load('images/none'));
thrown(fn () => $store->load('../none'));
$store->putMetadata('images/half', 5, new DateTimeImmutable());
$store->deleteMetadata('images/half');
iterator_to_array($store->list());
$after = $store->stats();
foreach (['ok', 'not_found', 'invalid_name', 'unavailable'] as $outcome) {
    echo $outcome, ' ', $after['operations'][$outcome] - $before['operations'][$outcome], "\n";
}
echo 'lookups ', array_sum($after['lookups']) - array_sum($before['lookups']), "\n";
echo 'written ', $after['written_bytes'], ' in ', $after['writes']['create'], "\n";
$reads = $after['query_seconds']['read'];
var_dump($reads['count'] > 0, $reads['sum'] > 0.0, $reads['buckets']['+Inf'] === $reads['count']);
var_dump(array_keys($reads['buckets'])[0], is_int($after['connections']), $after['connections'] > 0);

// Another object of the same options is the same store.
var_dump((new Ezdfs\Store(test_options()))->stats()['written_bytes']);

ob_start();
phpinfo(INFO_MODULES);
preg_match('/^[^\n]* => counted by this process\n.*?^ezdfs_written_bytes_total.*?$/ms', ob_get_clean(), $section);
echo $section[0], "\n";
?>
--EXPECTF--
Ezdfs\Exception\NotFoundException: %s
Ezdfs\Exception\InvalidNameException: %s
ok 5
not_found 1
invalid_name 1
unavailable 0
lookups 3
written 5 in 1
bool(true)
bool(true)
bool(true)
string(6) "0.0001"
bool(true)
bool(true)
int(5)
A store => counted by this process
root => %s/root
dsn => %s
%a
ezdfs_written_bytes_total => 5
