<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Download;

use Ezdfs\Bundle\Handler\Pair;
use Symfony\Component\HttpKernel\Event\ResponseEvent;

/**
 * Hands what a controller sends as a download to nginx.
 *
 * The controller has checked the permission by then. Only attachments are
 * taken: pictures of the same class need none, and nginx serves them anyway.
 */
final class DownloadListener
{
    /**
     * @param class-string $responseClass    the family's DownloadResponse
     * @param string       $internalLocation empty: PHP streams
     */
    public function __construct(
        private readonly string $responseClass,
        private readonly string $internalLocation,
        private readonly Pair $pair,
    ) {
    }

    public function onResponse(ResponseEvent $event): void
    {
        $response = $event->getResponse();
        if ($this->internalLocation === '') {
            return;
        }
        if ($response instanceof $this->responseClass || !is_a($response, get_parent_class($this->responseClass))) {
            return;
        }
        $disposition = (string) $response->headers->get('Content-Disposition');
        if (str_starts_with($disposition, 'attachment') && $this->pair->isOneStore()) {
            $event->setResponse($this->responseClass::from($response, $this->internalLocation));
        }
    }
}
