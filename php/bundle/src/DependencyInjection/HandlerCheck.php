<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\DependencyInjection;

use Ezdfs\Bundle\Family;
use Ezdfs\Exception\InvalidConfigException;
use Ezdfs\Store;
use Symfony\Component\Config\Definition\Exception\InvalidConfigurationException;

/**
 * Refuses while the container is compiled what no store could be made of, by
 * the path of its key and in the words of who wrote it.
 *
 * What comes from the environment or a siteaccess is known later only.
 */
final class HandlerCheck
{
    /** A store is made of an option and these: that connects nowhere. */
    private const NOWHERE = ['dsn' => 'sqlite:/nonexistent', 'root' => '/'];

    /** Options that have a key, or a setting of the kernel, of their own. */
    private const ELSEWHERE = [
        'dsn' => 'write "connection" or "dsn" of the metadata handler',
        'table' => 'write "table" of the metadata handler',
        'root' => 'write "directory" of the binarydata handler',
        'name_prefix' => 'it is the kernel\'s setting io.legacy_url_prefix',
        'url_prefix' => 'it is the kernel\'s setting io.url_prefix',
    ];

    private const MODES = ['files' => 'file_mode', 'directories' => 'dir_mode'];

    /** How Symfony writes what an environment variable will be. */
    private const OF_ENVIRONMENT = '/%env\(|env_[0-9a-f]{16}_\w+_[0-9a-f]{32}/';

    private readonly string $path;

    public function __construct(string $half, string $name)
    {
        $this->path = Family::installed()->ioExtension() . ".{$half}_handlers.$name.ezdfs";
    }

    /**
     * @param array<string, mixed> $config what stands below `ezdfs:`
     */
    public function checkMetadata(#[\SensitiveParameter] array $config): void
    {
        $dsn = $config['dsn'] ?? null;
        // A secret elsewhere need not be there yet.
        if (!\is_string($dsn) || !preg_match('/^(env|file):/', $dsn)) {
            $this->check('dsn', 'dsn', $dsn);
        }
        $this->check('table', 'table', $config['table'] ?? null);
        $this->checkOptions($config['options'] ?? []);
    }

    /**
     * @param array<string, mixed> $config what stands below `ezdfs:`
     */
    public function checkBinarydata(#[\SensitiveParameter] array $config): void
    {
        $this->checkDirectory((string) $config['directory']);
        foreach ($config['permissions'] ?? [] as $what => $mode) {
            $this->check("permissions.$what", self::MODES[$what], $mode);
        }
        $this->checkOptions($config['options'] ?? []);
    }

    private function checkDirectory(string $directory): void
    {
        // All behind a setting of the siteaccess may be anything, and so may what it begins with.
        $known = strstr($directory, '$', true);
        if ($known !== '') {
            $this->check('directory', 'root', $known === false ? $directory : $known);
        }
    }

    private function checkOptions(#[\SensitiveParameter] array $options): void
    {
        foreach ($options as $key => $value) {
            if (isset(self::ELSEWHERE[$key])) {
                throw $this->refused("options.$key", self::ELSEWHERE[$key]);
            }
            $this->check("options.$key", (string) $key, $value);
        }
    }

    private function check(string $where, string $option, #[\SensitiveParameter] mixed $value): void
    {
        if ($value === null || \is_string($value) && preg_match(self::OF_ENVIRONMENT, $value)) {
            return;
        }
        try {
            new Store([$option => $value] + self::NOWHERE);
        } catch (InvalidConfigException $e) {
            // What php.ini says wrongly is none of this key's.
            $isOfIni = str_starts_with($e->getSubject(), 'ezdfs.');
            throw $isOfIni ? $e : $this->refused($where, preg_replace('/^option ".*?": /', '', $e->getMessage()));
        }
    }

    private function refused(string $where, string $reason): InvalidConfigurationException
    {
        $e = new InvalidConfigurationException("Invalid configuration for path \"$this->path.$where\": $reason");
        $e->setPath("$this->path.$where");

        return $e;
    }
}
