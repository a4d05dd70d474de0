<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Download\DownloadListener;
use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\Tests\Support\ServiceDoor;
use Ezdfs\Bundle\Tests\Support\Site;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use PHPUnit\Framework\Attributes\DataProvider;
use Symfony\Component\EventDispatcher\EventDispatcher;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\Event\ResponseEvent;
use Symfony\Component\HttpKernel\HttpKernelInterface;

final class DownloadTest extends SiteTestCase
{
    private const ID = "original/application/é a?b#1%25.pdf";
    private const CONTENTS = "%PDF-1.4\n0123456789";

    private ServiceDoor $door;
    private object $file;

    protected function setUp(): void
    {
        parent::setUp();
        $this->door = new ServiceDoor($this->site);
        $this->file = $this->door->create(self::ID, self::CONTENTS);
    }

    private function response(string $class): Response
    {
        $response = new $class($this->file, $this->door->service());
        $response->headers->set('Content-Disposition', 'attachment; filename=a.pdf');

        return $response;
    }

    private function download(): Response
    {
        return $this->response(Family::installed()->own('DownloadResponse'));
    }

    private function kernelsResponse(): Response
    {
        return $this->response(get_parent_class(Family::installed()->own('DownloadResponse')));
    }

    public function testItIsHandedToAnInternalLocation(): void
    {
        $response = $this->download()->setInternalLocation('/protected/')->prepare(Request::create('/content/download'));
        $this->assertSame(
            '/protected/var/site/storage/original/application/%C3%A9%20a%3Fb%231%2525.pdf',
            $response->headers->get('X-Accel-Redirect')
        );
        $this->assertSame('application/pdf', $response->headers->get('Content-Type'));
        $this->assertSame('attachment; filename=a.pdf', $response->headers->get('Content-Disposition'));
        $this->assertFalse($response->headers->has('Content-Length'));
        $this->assertSame('', $this->sent($response));
    }

    public function testAHostInTheUrlIsNoPartOfTheLocation(): void
    {
        $this->site->boot(str_replace(
            'io: {',
            'io: { url_prefix: "http://static.example.com/",',
            Site::yaml()
        ));
        $this->file = $this->door->create('original/a.pdf', self::CONTENTS);
        $this->assertSame('http://static.example.com/original/a.pdf', $this->file->uri);
        $response = $this->download()->setInternalLocation('/protected')->prepare(Request::create('/'));
        $this->assertSame('/protected/original/a.pdf', $response->headers->get('X-Accel-Redirect'));
    }

    /** @dataProvider ranges */
    #[DataProvider('ranges')]
    public function testPhpStreamsWhereThereIsNoLocation(?string $range, int $status, string $body, ?string $header): void
    {
        $request = Request::create('/content/download');
        if ($range !== null) {
            $request->headers->set('Range', $range);
        }
        $response = $this->download()->prepare($request);
        $this->assertSame($status, $response->getStatusCode());
        $this->assertSame($body, $this->sent($response));
        $this->assertSame((string) \strlen($body), $response->headers->get('Content-Length'));
        $this->assertSame($header, $response->headers->get('Content-Range'));
        $this->assertSame('nosniff', $response->headers->get('X-Content-Type-Options'));
        $this->assertFalse($response->headers->has('X-Accel-Redirect'));
    }

    public static function ranges(): array
    {
        $all = self::CONTENTS;
        $size = \strlen($all);

        return [
            'none' => [null, 200, $all, null],
            'the first byte' => ['bytes=0-0', 206, '%', "bytes 0-0/$size"],
            'a middle' => ['bytes=9-11', 206, '012', "bytes 9-11/$size"],
            'the last byte' => ['bytes=' . ($size - 1) . '-', 206, '9', 'bytes ' . ($size - 1) . '-' . ($size - 1) . "/$size"],
            'an end' => ['bytes=-2', 206, '89', 'bytes ' . ($size - 2) . '-' . ($size - 1) . "/$size"],
            'a longer end' => ['bytes=-999', 206, $all, 'bytes 0-' . ($size - 1) . "/$size"],
            'beyond the end' => ['bytes=0-99999', 206, $all, 'bytes 0-' . ($size - 1) . "/$size"],
            'from everything' => ['bytes=0-', 206, $all, 'bytes 0-' . ($size - 1) . "/$size"],
            'behind the end' => ["bytes=$size-", 416, '', "bytes */$size"],
            'far behind' => ['bytes=2000-3000', 416, '', "bytes */$size"],
            'an end of nothing' => ['bytes=-0', 416, '', "bytes */$size"],
            'backwards' => ['bytes=10-5', 200, $all, null],
            'several' => ['bytes=0-1,5-6', 200, $all, null],
            'another unit' => ['items=0-5', 200, $all, null],
            'nonsense' => ['bytes=abc-', 200, $all, null],
        ];
    }

    public function testIfRangeAndIfNoneMatch(): void
    {
        $tag = $this->download()->prepare(Request::create('/'))->headers->get('ETag');
        $this->assertSame('"' . $this->file->mtime->getTimestamp() . '-' . \strlen(self::CONTENTS) . '"', $tag);
        $answer = function (array $headers, string $method = 'GET'): array {
            $request = Request::create('/', $method);
            $request->headers->add($headers);
            $response = $this->download()->prepare($request);

            return [$response->getStatusCode(), $this->sent($response)];
        };
        $this->assertSame([206, '%'], $answer(['Range' => 'bytes=0-0', 'If-Range' => $tag]));
        $this->assertSame([200, self::CONTENTS], $answer(['Range' => 'bytes=0-0', 'If-Range' => '"other"']));
        $this->assertSame([304, ''], $answer(['If-None-Match' => $tag]));
        $this->assertSame([200, self::CONTENTS], $answer(['If-None-Match' => '"other"']));
        $this->assertSame([200, ''], $answer([], 'HEAD'));
    }

    public function testAMissingFileIsKnownBeforeAHeaderIsSent(): void
    {
        unlink($this->site->path(self::ID));
        $e = $this->thrownBy(fn () => $this->download()->prepare(Request::create('/')));
        $this->assertInstanceOf($this->door->notFound(), $e);
    }

    public function testTheListenerTakesTheKernelsDownloads(): void
    {
        $this->site->boot(Site::yaml() . "\nezdfs: { download: { internal_location: /protected } }\n");
        $listener = $this->site->container()->get('test.download_listener');

        $response = $this->dispatch($listener, $this->kernelsResponse());
        $this->assertInstanceOf(Family::installed()->own('DownloadResponse'), $response);
        $response->prepare(Request::create('/'));
        $this->assertStringStartsWith('/protected/var/site/', $response->headers->get('X-Accel-Redirect'));
        $this->assertSame('attachment; filename=a.pdf', $response->headers->get('Content-Disposition'));

        $picture = $this->kernelsResponse();
        $picture->headers->remove('Content-Disposition');
        $this->assertSame($picture, $this->dispatch($listener, $picture));
        $page = new Response('page', 200, ['Content-Disposition' => 'attachment']);
        $this->assertSame($page, $this->dispatch($listener, $page));
    }

    public function testTheLocationMayComeFromTheEnvironment(): void
    {
        $yaml = Site::yaml() . "\nezdfs: { download: { internal_location: '%env(EZDFS_TEST_LOCATION)%' } }\n";
        try {
            foreach (['' => false, '/protected' => true] as $location => $isHandedOver) {
                $_SERVER['EZDFS_TEST_LOCATION'] = $location;
                $this->site->boot($yaml);
                $response = $this->kernelsResponse();
                $sent = $this->dispatch($this->site->container()->get('test.download_listener'), $response);
                $this->assertSame($isHandedOver, $sent !== $response);
            }
        } finally {
            unset($_SERVER['EZDFS_TEST_LOCATION']);
        }
    }

    public function testWithoutALocationThereIsNoListener(): void
    {
        $this->assertFalse($this->site->boot()->has('test.download_listener'));
    }

    private function dispatch(DownloadListener $listener, Response $response): Response
    {
        $event = new ResponseEvent(
            $this->createMock(HttpKernelInterface::class),
            Request::create('/'),
            HttpKernelInterface::MAIN_REQUEST,
            $response
        );
        $dispatcher = new EventDispatcher();
        $dispatcher->addListener('kernel.response', [$listener, 'onResponse']);
        $dispatcher->dispatch($event, 'kernel.response');

        return $event->getResponse();
    }

    private function sent(Response $response): string
    {
        ob_start();
        $response->sendContent();

        return (string) ob_get_clean();
    }
}
