<?php

declare(strict_types=1);

namespace Ezdfs\Bundle;

/**
 * Fills `$var_dir$` and the like with what they are in the current siteaccess.
 *
 * The forms are those of the kernels: `$name$`, `$name;namespace$` and
 * `$name;namespace;scope$`. Nothing is kept, because a request may change its
 * siteaccess (a preview does).
 */
final class SettingResolver
{
    private const SETTING = '/\$([\w.-]+)(?:;(\w+)(?:;([\w.-]+))?)?\$/';

    /**
     * @param object $configResolver the kernel's
     */
    public function __construct(private readonly object $configResolver)
    {
    }

    public function get(string $name): mixed
    {
        return $this->configResolver->getParameter($name);
    }

    public function resolve(string $text): string
    {
        return preg_replace_callback(
            self::SETTING,
            fn (array $match): string => (string) $this->configResolver->getParameter(
                $match[1],
                $match[2] ?? null,
                $match[3] ?? null
            ),
            $text
        );
    }
}
