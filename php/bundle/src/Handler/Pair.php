<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Handler;

use Ezdfs\Bundle\SettingResolver;
use Ezdfs\StoreInterface;

/**
 * The two handlers of the current siteaccess, and the one store that they are
 * where both are ezdfs's.
 *
 * The kernel's IO service creates and deletes in two calls, one to each
 * handler. Of a pair the first call does the whole; what it did is kept here
 * for the second, which has nothing left to do.
 */
final class Pair implements StoreSource
{
    private ?object $done = null;

    /**
     * @param object $metadataHandlers   the kernel's registry
     * @param object $binarydataHandlers the kernel's registry
     */
    public function __construct(
        private readonly Stores $stores,
        private readonly SettingResolver $settings,
        private readonly object $metadataHandlers,
        private readonly object $binarydataHandlers,
    ) {
    }

    public function metadataHandler(): object
    {
        return $this->metadataHandlers->getConfiguredHandler($this->settings->get('io.metadata_handler'));
    }

    public function binarydataHandler(): object
    {
        return $this->binarydataHandlers->getConfiguredHandler($this->settings->get('io.binarydata_handler'));
    }

    /**
     * Whether both handlers are ezdfs's, so that there is one store, and a file
     * of this id has one name in it: of a backslash the kernels make a slash on
     * the mount, and keep it in the table.
     */
    public function isOneStore(string $id = ''): bool
    {
        return !str_contains($id, '\\')
            && $this->metadataHandler() instanceof Half
            && $this->binarydataHandler() instanceof Half;
    }

    /** Whether what an id with a backslash leads to on the mount has a row of its own. */
    public function isFileOfAnother(string $id): bool
    {
        return str_contains($id, '\\') && $this->isOneStore() && $this->store()->exists(strtr($id, '\\', '/'));
    }

    public function options(): array
    {
        return $this->binarydataHandler()->source()->options() + $this->metadataHandler()->source()->options();
    }

    public function store(): StoreInterface
    {
        return $this->stores->get($this->options());
    }

    /** Keeps what the first of two calls came to. */
    public function keep(string $operation, mixed $subject, mixed $result = true): void
    {
        $this->done = (object) ['key' => [$operation, $subject], 'result' => $result];
    }

    /** What the first call for the same subject came to; null where there was none. */
    public function take(string $operation, mixed $subject): mixed
    {
        $done = $this->done;
        $this->done = null;

        return $done?->key === [$operation, $subject] ? $done->result : null;
    }
}
