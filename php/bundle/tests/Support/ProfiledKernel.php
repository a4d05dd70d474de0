<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests\Support;

use Ezdfs\Bundle\Handler\Stores;
use Monolog\Handler\TestHandler;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\TwigBundle\TwigBundle;
use Symfony\Bundle\WebProfilerBundle\WebProfilerBundle;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\Compiler\PassConfig;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\HttpFoundation\Response;

/**
 * A kernel with Symfony's own bundles around the site: what of them a test
 * asks for. It has one page, which does what the test says.
 */
final class ProfiledKernel extends TestKernel implements CompilerPassInterface
{
    public const PROFILER = [FrameworkBundle::class, TwigBundle::class, WebProfilerBundle::class];

    private const CONFIGURATION = [
        FrameworkBundle::class => <<<'YAML'
            framework:
                secret: none
                http_method_override: false
                router: { resource: '%kernel.project_dir%/routes.yaml', utf8: true }
            # Symfony's own would write to standard error.
            services: { logger: { class: Psr\Log\NullLogger } }
            YAML,
        TwigBundle::class => 'twig: { strict_variables: true }',
        WebProfilerBundle::class => "web_profiler: { toolbar: true }\nframework: { profiler: { collect: true } }",
    ];

    private const ROUTES = <<<'YAML'
        page: { path: /page, controller: kernel::page }
        YAML;

    private const PROFILER_ROUTES = <<<'YAML'
        wdt: { resource: '@WebProfilerBundle/Resources/config/routing/wdt.xml', prefix: /_wdt }
        profiler: { resource: '@WebProfilerBundle/Resources/config/routing/profiler.xml', prefix: /_profiler }
        YAML;

    /** What the page does. */
    public ?\Closure $page = null;

    /**
     * @param list<class-string> $with     bundles of Symfony's
     * @param string             $settings further configuration, as YAML
     */
    public function __construct(
        Site $site,
        private readonly array $with,
        string $settings = '',
        bool $isDebug = true,
        private readonly bool $hasMonolog = false,
    ) {
        // YAML knows no key twice, so each bundle's stands in a file of its own.
        foreach ([...$with, self::class] as $number => $bundle) {
            file_put_contents("$site->home/part$number.yaml", self::CONFIGURATION[$bundle] ?? $settings);
            $imports[] = "{ resource: part$number.yaml }";
        }
        $routes = \in_array(WebProfilerBundle::class, $with, true) ? "\n" . self::PROFILER_ROUTES : '';
        file_put_contents("$site->home/routes.yaml", self::ROUTES . $routes);
        $yaml = 'imports: [' . implode(', ', $imports) . "]\n" . $site->mounted();
        parent::__construct($site->home, $yaml, Site::database(), true, $isDebug);
    }

    public function registerBundles(): iterable
    {
        // As Flex orders them: passes of Symfony's come first where priorities are the same.
        foreach ($this->with as $bundle) {
            yield new $bundle();
        }
        yield from parent::registerBundles();
    }

    protected function build(ContainerBuilder $container): void
    {
        parent::build($container);
        if ($this->hasMonolog) {
            $container->register('test.log', TestHandler::class)->setPublic(true);
            $container->addCompilerPass(new MonologChannels('test.log'));
        }
        $container->addCompilerPass($this, PassConfig::TYPE_BEFORE_REMOVING);
    }

    public function process(ContainerBuilder $container): void
    {
        foreach (['test.stores' => Stores::class, 'test.profiler' => 'profiler'] as $alias => $service) {
            if ($container->has($service)) {
                $container->setAlias($alias, $service)->setPublic(true);
            }
        }
    }

    public function page(): Response
    {
        ($this->page)();

        return new Response('<html><body>a page</body></html>');
    }
}
