<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Download;

use Symfony\Component\HttpFoundation\Request;

/**
 * A response with a stored file: handed to nginx where there is an internal
 * location, streamed by PHP where there is none.
 */
trait DownloadMethods
{
    private ?string $internalLocation = null;

    private ?Range $range = null;

    /** @var resource|null */
    private $stream = null;

    /**
     * The same download, by this class.
     */
    public static function from(parent $response, ?string $internalLocation = null): static
    {
        $download = new static($response->file, $response->ioService, $response->getStatusCode(), [], false);
        $download->headers = clone $response->headers;

        return $download->setInternalLocation($internalLocation);
    }

    /**
     * @param string|null $location path of an nginx location that is marked
     *                              `internal` and holds an `ezdfs` store
     */
    public function setInternalLocation(?string $location): static
    {
        $this->internalLocation = $location;

        return $this;
    }

    public function prepare(Request $request): static
    {
        $this->setProtocolVersion($request->server->get('SERVER_PROTOCOL') === 'HTTP/1.0' ? '1.0' : '1.1');
        $this->headers->set('X-Content-Type-Options', 'nosniff');
        if (!$this->headers->has('Content-Type')) {
            $type = $this->ioService->getMimeType($this->file->id);
            $this->headers->set('Content-Type', $type ?: 'application/octet-stream');
        }
        if ($this->internalLocation !== null) {
            $this->handOver($this->internalLocation);
        } else {
            $this->prepareStream($request);
        }

        return $this;
    }

    /** nginx finds the file, its length and its ranges by itself. */
    private function handOver(string $location): void
    {
        // A store may have URLs with a host; a location has none.
        $path = preg_replace('~^(?:https?:)?//[^/]+~', '', $this->file->uri);
        $encoded = implode('/', array_map('rawurlencode', explode('/', ltrim($path, '/'))));
        $this->headers->set('X-Accel-Redirect', rtrim($location, '/') . '/' . $encoded);
        $this->headers->remove('Content-Length');
    }

    private function prepareStream(Request $request): void
    {
        // Opened before a header is sent: a missing file can still be a 404.
        $this->stream = $this->ioService->getFileInputStream($this->file);
        $size = fstat($this->stream)['size'] ?? $this->file->size;
        $this->setEtag($this->file->mtime->getTimestamp() . '-' . $size);
        $this->headers->set('Accept-Ranges', 'bytes');

        if ($request->isMethodCacheable() && $this->isNotModified($request)) {
            return;
        }
        $this->range = $this->requestedRange($request, $size);
        if ($this->range->isPart || !$this->range->isSatisfiable) {
            $this->setStatusCode($this->range->isSatisfiable ? 206 : 416);
            $this->headers->set('Content-Range', $this->range->header());
        }
        $this->headers->set('Content-Length', (string) $this->range->length);
        if ($request->isMethod('HEAD')) {
            $this->range = null;
        }
    }

    private function requestedRange(Request $request, int $size): Range
    {
        $condition = $request->headers->get('If-Range');
        $holds = $condition === null
            || $condition === $this->getEtag()
            || $condition === $this->headers->get('Last-Modified');
        $asked = $request->isMethod('GET') && $this->getStatusCode() === 200 && $holds;

        return Range::parse($asked ? (string) $request->headers->get('Range') : '', $size);
    }

    public function sendContent(): static
    {
        if ($this->stream !== null && $this->range !== null && $this->range->length > 0) {
            $output = fopen('php://output', 'wb');
            stream_copy_to_stream($this->stream, $output, $this->range->length, $this->range->first);
            fclose($output);
        }
        $this->stream = null;

        return $this;
    }
}
