<?php

declare(strict_types=1);

use eZ\Publish\Core\IO\Values\BinaryFileCreateStruct;
use Ezdfs\Bundle\EzdfsBundle;
use Ezdfs\Bundle\Family;
use Ezdfs\Bundle\Tests\Kernel\CoreBundle;
use Ezdfs\Exception\UnavailableException;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Component\Config\Loader\LoaderInterface;
use Symfony\Component\HttpFoundation\File\UploadedFile;
use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\Kernel;

/**
 * Pictures that who is logged in uploads, replaces and deletes, through the kernel's IO service
 * with the bundle's handlers. The session lies in Redis, so that any node knows it.
 */
final class Application extends Kernel
{
    private const DIRECTORY = 'images/cluster';
    private const PASSWORD = 'publish';

    public function __construct(private readonly string $home, private readonly string $node)
    {
        parent::__construct('prod', false);
    }

    public function registerBundles(): iterable
    {
        $io = 'eZ\Bundle\EzPublishIOBundle\EzPublishIOBundle';
        // The handlers have a DSN of their own, with both servers: the connection of the core is never made.
        yield from [new FrameworkBundle(), new CoreBundle(['driver' => 'pdo_mysql']), new $io(), new EzdfsBundle()];
    }

    public function registerContainerConfiguration(LoaderInterface $loader): void
    {
        $loader->load("$this->home/application.yaml");
    }

    public function getProjectDir(): string
    {
        return __DIR__;
    }

    public function getCacheDir(): string
    {
        return "$this->home/cache";
    }

    public function getLogDir(): string
    {
        return "$this->home/log";
    }

    public function page(): Response
    {
        return new Response(file_get_contents(__DIR__ . '/page.html'), 200, ['Cache-Control' => 'no-store']);
    }

    public function login(Request $request): Response
    {
        if ($request->request->get('password') !== self::PASSWORD) {
            return $this->say(403, 'That is not the password.');
        }
        $request->getSession()->migrate(true);
        $request->getSession()->set('user', 'editor');

        return $this->say(200, 'Logged in.');
    }

    public function files(Request $request): Response
    {
        return $this->orUnavailable(fn (): Response => $this->say(200, 'These.', [
            'user' => $request->getSession()->get('user'),
            'files' => array_map(
                static fn (object $info): array => ['id' => $info->id, 'uri' => $info->uri, 'mtime' => $info->mtime],
                // Its options stand in php-fpm.conf.
                iterator_to_array((new Ezdfs\Store([]))->list(self::DIRECTORY), false)
            ),
        ]));
    }

    /** Stores a picture under its name, whatever has been there. */
    public function upload(Request $request): Response
    {
        $file = $request->files->get('picture');
        if (!$file instanceof UploadedFile || !$file->isValid()) {
            return $this->say(400, 'The form has no whole file in its field "picture".');
        }

        return $this->asEditor($request, function (string $id) use ($file): Response {
            $stored = $this->io()->createBinaryFile(new BinaryFileCreateStruct([
                'id' => $id,
                'size' => $file->getSize(),
                'inputStream' => fopen($file->getPathname(), 'rb'),
                // The bytes decide.
                'mimeType' => $file->getClientMimeType(),
            ]));

            return $this->say(201, 'Stored.', ['uri' => $stored->uri]);
        });
    }

    public function delete(Request $request): Response
    {
        return $this->asEditor($request, function (string $id): Response {
            $this->io()->deleteBinaryFile($this->io()->loadBinaryFile($id));

            return $this->say(200, 'Deleted.');
        });
    }

    private function asEditor(Request $request, \Closure $act): Response
    {
        if (!$request->getSession()->has('user')) {
            return $this->say(401, 'Log in first.');
        }
        $name = preg_replace('/[^A-Za-z0-9._-]+/', '-', (string) $request->request->get('name'));
        if (trim($name, '.-') === '') {
            return $this->say(400, 'A picture needs a name.');
        }
        // Nobody else of this session has to wait for the file.
        $request->getSession()->save();

        return $this->orUnavailable(static fn (): Response => $act(self::DIRECTORY . "/$name"));
    }

    /** What cannot be done now is a 503, whatever the kernel has made of it. */
    private function orUnavailable(\Closure $act): Response
    {
        try {
            return $act();
        } catch (\Throwable $error) {
            for ($cause = $error; $cause !== null; $cause = $cause->getPrevious()) {
                if ($cause instanceof UnavailableException) {
                    $answer = $this->say(503, $cause->getMessage());
                    $answer->headers->set('Retry-After', '1');

                    return $answer;
                }
            }

            return $this->say(500, get_debug_type($error) . ": {$error->getMessage()}");
        }
    }

    private function io(): object
    {
        return $this->getContainer()->get(Family::installed()->ioService());
    }

    private function say(int $status, string $text, array $more = []): Response
    {
        $answer = new JsonResponse(['node' => $this->node, 'text' => $text] + $more, $status);
        $answer->headers->set('Cache-Control', 'no-store');

        return $answer;
    }
}
