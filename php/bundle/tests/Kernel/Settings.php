<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Kernel;

/**
 * A config resolver: settings of the siteaccess, else the default ones.
 */
final class Settings
{
    public string $siteAccess = 'default';

    public function __construct(private array $system)
    {
    }

    public function getParameter($paramName, $namespace = null, $scope = null)
    {
        $scope = $scope ?? $this->siteAccess;
        $value = $this->system[$scope][$paramName] ?? $this->system['default'][$paramName] ?? null;

        return $value ?? throw new \OutOfBoundsException("no setting $paramName in $scope");
    }
}
