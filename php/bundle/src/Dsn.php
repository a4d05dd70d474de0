<?php

declare(strict_types=1);

namespace Ezdfs\Bundle;

/**
 * Makes the DSN of a store from the parameters of a Doctrine connection.
 */
final class Dsn
{
    /**
     * @param array<string, mixed> $parameters as Connection::getParams() gives them
     *
     * @throws \InvalidArgumentException for a database or an address that a DSN cannot express
     */
    public static function fromDoctrine(#[\SensitiveParameter] array $parameters): string
    {
        // A connection with replicas: files are written, so only the primary will do.
        $parameters = ($parameters['primary'] ?? $parameters['master'] ?? []) + $parameters;
        $driver = (string) ($parameters['driver'] ?? $parameters['driverClass'] ?? '');

        return match (true) {
            (bool) preg_match('/mysql/i', $driver) => self::mysql($parameters),
            (bool) preg_match('/pgsql/i', $driver) => self::postgres($parameters),
            (bool) preg_match('/sqlite/i', $driver) => self::sqlite($parameters),
            default => throw new \InvalidArgumentException(
                "ezdfs: the Doctrine driver \"$driver\" is none of MySQL, PostgreSQL and SQLite"
            ),
        };
    }

    private static function mysql(#[\SensitiveParameter] array $parameters): string
    {
        $options = $parameters['driverOptions'] ?? [];
        $query = [
            'socket' => self::mysqlSocket($parameters),
            'charset' => isset($parameters['charset']) ? strtolower((string) $parameters['charset']) : null,
            'ssl-ca' => $parameters['ssl_ca'] ?? self::driverOption($options, 'PDO::MYSQL_ATTR_SSL_CA'),
            'ssl-cert' => $parameters['ssl_cert'] ?? self::driverOption($options, 'PDO::MYSQL_ATTR_SSL_CERT'),
            'ssl-key' => $parameters['ssl_key'] ?? self::driverOption($options, 'PDO::MYSQL_ATTR_SSL_KEY'),
        ];
        $verify = self::driverOption($options, 'PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT');
        // PHP's client uses TLS where any of these is set, and verifies unless told otherwise.
        if ($verify !== null || isset($query['ssl-ca']) || isset($query['ssl-key'])) {
            $isVerified = filter_var($verify ?? isset($query['ssl-ca']), \FILTER_VALIDATE_BOOLEAN);
            $query['ssl-mode'] = $isVerified ? 'VERIFY_IDENTITY' : 'REQUIRED';
        }

        return self::url('mysql', $parameters, $query);
    }

    /** As PHP's MySQL client has it: the host `localhost` means the socket. */
    private static function mysqlSocket(#[\SensitiveParameter] array $parameters): ?string
    {
        if (($parameters['unix_socket'] ?? '') !== '') {
            return $parameters['unix_socket'];
        }
        if (!\in_array($parameters['host'] ?? '', ['', 'localhost'], true)) {
            return null;
        }
        $default = (string) (ini_get('pdo_mysql.default_socket') ?: ini_get('mysqli.default_socket'));

        return $default !== '' && file_exists($default) ? $default : null;
    }

    private static function driverOption(#[\SensitiveParameter] array $options, string $constant): mixed
    {
        return \defined($constant) ? $options[\constant($constant)] ?? null : null;
    }

    private static function postgres(#[\SensitiveParameter] array $parameters): string
    {
        $host = (string) ($parameters['host'] ?? '');
        $isSocket = str_starts_with($host, '/');
        $query = [
            // The directory of the socket.
            'host' => $isSocket ? $host : null,
            'sslmode' => $parameters['sslmode'] ?? null,
            'sslrootcert' => $parameters['sslrootcert'] ?? null,
            'sslcert' => $parameters['sslcert'] ?? null,
            'sslkey' => $parameters['sslkey'] ?? null,
        ];

        return self::url('postgres', ['host' => $isSocket ? '' : $host] + $parameters, $query);
    }

    private static function sqlite(#[\SensitiveParameter] array $parameters): string
    {
        $path = (string) ($parameters['path'] ?? '');
        if (!str_starts_with($path, '/')) {
            throw new \InvalidArgumentException(
                "ezdfs: an SQLite connection needs the absolute path of a file, not \"$path\""
            );
        }

        return 'sqlite:' . implode('/', array_map('rawurlencode', explode('/', $path)));
    }

    private static function url(string $scheme, #[\SensitiveParameter] array $parameters, array $query): string
    {
        $database = (string) ($parameters['dbname'] ?? '');
        if ($database === '') {
            throw new \InvalidArgumentException('ezdfs: the Doctrine connection names no database (dbname)');
        }
        $login = '';
        if (($parameters['user'] ?? '') !== '') {
            $login = rawurlencode((string) $parameters['user']);
            $password = (string) ($parameters['password'] ?? '');
            $login .= ($password === '' ? '' : ':' . rawurlencode($password)) . '@';
        }
        $host = (string) ($parameters['host'] ?? '') ?: 'localhost';
        if (str_contains($host, ':') && !str_starts_with($host, '[')) {
            $host = "[$host]";
        }
        $port = ($parameters['port'] ?? '') === '' ? '' : ':' . $parameters['port'];
        $query = http_build_query($query, '', '&', \PHP_QUERY_RFC3986);

        return "$scheme://$login$host$port/" . rawurlencode($database) . ($query === '' ? '' : "?$query");
    }
}
