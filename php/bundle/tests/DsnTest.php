<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\DependencyInjection\HandlerCheck;
use Ezdfs\Bundle\Dsn;
use Ezdfs\Bundle\Handler\Stores;
use Ezdfs\Exception\EzdfsException;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use Symfony\Component\Config\Definition\Exception\InvalidConfigurationException;

final class DsnTest extends TestCase
{
    /** @dataProvider connections */
    #[DataProvider('connections')]
    public function testADoctrineConnectionIsADsn(array $parameters, string $dsn): void
    {
        $this->assertSame($dsn, Dsn::fromDoctrine($parameters));
        // The core must be able to read it; making a store connects nowhere.
        $this->assertInstanceOf(\Ezdfs\Store::class, new \Ezdfs\Store(['dsn' => $dsn, 'root' => '/']));
    }

    public static function connections(): array
    {
        $mysql = ['driver' => 'pdo_mysql', 'host' => 'db', 'dbname' => 'ezdfs', 'user' => 'u', 'password' => 'p'];
        $postgres = ['driver' => 'pdo_pgsql'] + $mysql;

        return [
            'MySQL' => [$mysql, 'mysql://u:p@db/ezdfs'],
            'mysqli with a port' => [['driver' => 'mysqli', 'port' => 3307] + $mysql, 'mysql://u:p@db:3307/ezdfs'],
            'the port of an unset variable' => [['port' => ''] + $mysql, 'mysql://u:p@db/ezdfs'],
            'charset' => [['charset' => 'UTF8MB4'] + $mysql, 'mysql://u:p@db/ezdfs?charset=utf8mb4'],
            'special characters' => [
                ['user' => 'a:b@c', 'password' => 'p/?#%[ü', 'dbname' => 'ez dfs'] + $mysql,
                'mysql://a%3Ab%40c:p%2F%3F%23%25%5B%C3%BC@db/ez%20dfs',
            ],
            'no password' => [['password' => null] + $mysql, 'mysql://u@db/ezdfs'],
            'socket' => [
                ['unix_socket' => '/run/my sql.sock', 'host' => 'localhost'] + $mysql,
                'mysql://u:p@localhost/ezdfs?socket=%2Frun%2Fmy%20sql.sock',
            ],
            'MySQL by TLS' => [
                ['driverOptions' => [\PDO::MYSQL_ATTR_SSL_CA => '/ca.pem']] + $mysql,
                'mysql://u:p@db/ezdfs?ssl-ca=%2Fca.pem&ssl-mode=VERIFY_IDENTITY',
            ],
            'MySQL by TLS that is not verified' => [
                ['driverOptions' => [\PDO::MYSQL_ATTR_SSL_CA => '/ca.pem', \PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT => 0]] + $mysql,
                'mysql://u:p@db/ezdfs?ssl-ca=%2Fca.pem&ssl-mode=REQUIRED',
            ],
            'IPv6' => [['host' => '::1'] + $mysql, 'mysql://u:p@[::1]/ezdfs'],
            'primary and replicas' => [
                ['driver' => 'pdo_mysql', 'primary' => ['host' => 'one'] + $mysql, 'replica' => [['host' => 'two']]],
                'mysql://u:p@one/ezdfs',
            ],
            'driver by its class' => [
                ['driver' => null, 'driverClass' => 'Doctrine\DBAL\Driver\PDO\MySQL\Driver'] + $mysql,
                'mysql://u:p@db/ezdfs',
            ],
            'PostgreSQL' => [['port' => '5433', 'charset' => 'utf8'] + $postgres, 'postgres://u:p@db:5433/ezdfs'],
            'PostgreSQL by TLS' => [
                ['sslmode' => 'verify-full', 'sslrootcert' => '/ca.pem'] + $postgres,
                'postgres://u:p@db/ezdfs?sslmode=verify-full&sslrootcert=%2Fca.pem',
            ],
            'PostgreSQL by its socket' => [
                ['host' => '/var/run/postgresql'] + $postgres,
                'postgres://u:p@localhost/ezdfs?host=%2Fvar%2Frun%2Fpostgresql',
            ],
            'SQLite' => [['driver' => 'pdo_sqlite', 'path' => '/var/lib/my db?.sqlite'], 'sqlite:/var/lib/my%20db%3F.sqlite'],
        ];
    }

    public function testLocalhostIsTheDefaultSocketAsItIsForPhp(): void
    {
        $socket = tempnam(sys_get_temp_dir(), 'socket');
        $before = ini_set('mysqli.default_socket', $socket);
        $default = (string) ini_get('pdo_mysql.default_socket') ?: $socket;
        try {
            $dsn = Dsn::fromDoctrine(['driver' => 'pdo_mysql', 'host' => 'localhost', 'dbname' => 'd']);
            $expected = file_exists($default) ? '?socket=' . rawurlencode($default) : '';
            $this->assertSame("mysql://localhost/d$expected", $dsn);
        } finally {
            ini_set('mysqli.default_socket', (string) $before);
            unlink($socket);
        }
    }

    /** @dataProvider others */
    #[DataProvider('others')]
    public function testWhatIsNoDsnIsRefused(array $parameters, string $named): void
    {
        $this->expectException(\InvalidArgumentException::class);
        $this->expectExceptionMessage($named);
        Dsn::fromDoctrine($parameters);
    }

    public function testNoTraceShowsAPassword(): void
    {
        $before = ini_set('zend.exception_ignore_args', '0');
        $config = ['dsn' => 'mysql://u:TOPSECRET@h:99999/d', 'root' => '/'];
        $calls = [
            static fn () => Dsn::fromDoctrine(['driver' => 'oci8', 'password' => 'TOPSECRET']),
            static fn () => Dsn::fromDoctrine(['driver' => 'pdo_mysql', 'password' => 'TOPSECRET']),
            static fn () => (new Stores())->get($config),
            static fn () => (new HandlerCheck('metadata', 'dfs'))->checkMetadata($config),
        ];
        try {
            foreach ($calls as $call) {
                try {
                    $call();
                    $this->fail('was taken');
                } catch (\InvalidArgumentException | EzdfsException | InvalidConfigurationException $e) {
                    for (; $e !== null; $e = $e->getPrevious()) {
                        $this->assertStringNotContainsString('TOPSECRET', $e->getMessage());
                        $arguments = array_column($e->getTrace(), 'args');
                        $this->assertStringNotContainsString('TOPSECRET', (string) json_encode($arguments, \JSON_PARTIAL_OUTPUT_ON_ERROR));
                    }
                }
            }
        } finally {
            ini_set('zend.exception_ignore_args', (string) $before);
        }
    }

    public static function others(): array
    {
        return [
            [['driver' => 'oci8'], 'oci8'],
            [['driver' => 'pdo_sqlite', 'memory' => true], 'absolute path'],
            [['driver' => 'pdo_mysql', 'host' => 'db'], 'dbname'],
        ];
    }
}
