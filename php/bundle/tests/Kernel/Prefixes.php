<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

use Ezdfs\Bundle\SettingResolver;

/**
 * A URL decorator: one setting's value before each id.
 */
trait Prefixes
{
    public function __construct(private SettingResolver $settings, private string $setting, private bool $isUrl)
    {
    }

    private function prefix(): string
    {
        $value = $this->settings->resolve($this->settings->get($this->setting));
        if ($this->isUrl && preg_match('~^(https?:)?//~', $value)) {
            return rtrim($value, '/') . '/';
        }

        return ($this->isUrl ? '/' : '') . trim($value, '/') . '/';
    }

    private function add(string $id): string
    {
        return $this->prefix() . trim($id, '/');
    }

    private function remove(string $uri): ?string
    {
        $prefix = $this->prefix();

        return str_starts_with($uri, $prefix) ? substr($uri, \strlen($prefix)) : null;
    }
}
