--TEST--
Ezdfs\FileInfo::$mtime is a date like any other, in UTC
--INI--
date.timezone=Asia/Kathmandu
--FILE--
<?php
require __DIR__ . '/store.inc';

$store = test_store();
foreach ([1, 951782400, 1234567890, 1732752000, 2147483647] as $seconds) {
    $date = $store->createFromString('images/a', 'abc', ['mtime' => $seconds])->mtime;
    $parsed = new DateTimeImmutable("@$seconds");
    $same = $date == $parsed
        && $date->getTimestamp() === $seconds
        && $date->format('Y-m-d\TH:i:s.u D z t L') === $parsed->format('Y-m-d\TH:i:s.u D z t L')
        && $date->modify('+1 month last monday') == $parsed->modify('+1 month last monday')
        && $date->diff($parsed->modify('+400 days'))->days === 400
        && (clone $date) == $parsed
        && unserialize(serialize($date)) == $parsed
        && DateTime::createFromImmutable($date) == $parsed
        && $date->setTimezone(new DateTimeZone('Europe/Oslo'))->format('c')
            === $parsed->setTimezone(new DateTimeZone('Europe/Oslo'))->format('c');
    echo $date->format(DATE_ATOM . ' e T'), $same ? '' : ' differs', "\n";
}
?>
--EXPECT--
1970-01-01T00:00:01+00:00 UTC UTC
2000-02-29T00:00:00+00:00 UTC UTC
2009-02-13T23:31:30+00:00 UTC UTC
2024-11-28T00:00:00+00:00 UTC UTC
2038-01-19T03:14:07+00:00 UTC UTC
