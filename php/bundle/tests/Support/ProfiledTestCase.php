<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

use Monolog\Logger;
use Symfony\Bundle\WebProfilerBundle\WebProfilerBundle;
use Symfony\Component\ErrorHandler\ErrorHandler;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\Profiler\Profile;

/**
 * Tests on a kernel with Symfony's bundles.
 */
abstract class ProfiledTestCase extends SiteTestCase
{
    protected ?ProfiledKernel $kernel = null;

    protected function setUp(): void
    {
        if (!class_exists(WebProfilerBundle::class) || !class_exists(Logger::class)) {
            $missing = 'WebProfilerBundle or Monolog is not installed (make deps)';
            getenv('CI') === 'true' ? $this->fail($missing) : $this->markTestSkipped($missing);
        }
        parent::setUp();
    }

    protected function tearDown(): void
    {
        if (isset($this->site)) {
            parent::tearDown();
        }
        // FrameworkBundle leaves its own behind, which would meet PHPUnit's errors.
        self::restore(set_error_handler(...), restore_error_handler(...));
        self::restore(set_exception_handler(...), restore_exception_handler(...));
    }

    private static function restore(\Closure $set, \Closure $restore): void
    {
        do {
            $handler = $set(null);
            $restore();
            $isSymfonys = \is_array($handler) && $handler[0] instanceof ErrorHandler;
            if ($isSymfonys) {
                $restore();
            }
        } while ($isSymfonys);
    }

    protected function start(ProfiledKernel $kernel): ProfiledKernel
    {
        $this->site->start($kernel);

        return $this->kernel = $kernel;
    }

    /** A request from its beginning to its end, as a front controller has it. */
    protected function request(string $path): Response
    {
        $request = Request::create($path);
        $response = $this->kernel->handle($request);
        $this->kernel->terminate($request, $response);

        return $response;
    }

    /** The page, on which this is done. */
    protected function visit(\Closure $page): Profile
    {
        $this->kernel->page = $page;
        $response = $this->request('/page');
        $this->assertSame(200, $response->getStatusCode());

        return $this->site->container()->get('test.profiler')->loadProfileFromResponse($response);
    }

    protected function shown(string $path): string
    {
        $response = $this->request($path);
        $this->assertSame(200, $response->getStatusCode(), (string) $response->getContent());

        return (string) $response->getContent();
    }

    /** What a reader sees, without markup. */
    protected function text(string $html): string
    {
        $html = preg_replace('~<(style|script)\b.*?</\1>~s', '', $html);

        return html_entity_decode(trim(preg_replace('/\s+/', ' ', strip_tags(str_replace('<', ' <', $html)))));
    }
}
