<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

trait AsksTheRegistry
{
    public function __construct(private Settings $settings, private Registry $registry)
    {
    }

    private function handler(string $half): object
    {
        return $this->registry->getConfiguredHandler($this->settings->getParameter("io.{$half}_handler"));
    }
}
