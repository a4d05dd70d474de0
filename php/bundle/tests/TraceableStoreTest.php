<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Profiler\Recorder;
use Ezdfs\Bundle\Profiler\Tally;
use Ezdfs\Bundle\Profiler\TraceableStore;
use Ezdfs\Bundle\Profiler\Tracer;
use Ezdfs\FileInfo;
use Ezdfs\StoreInterface;
use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;

/**
 * That a measured store does what the store does, method by method.
 */
final class TraceableStoreTest extends TestCase
{
    /** @dataProvider methods */
    #[DataProvider('methods')]
    public function testEachMethodHandsOnWhatItIsGiven(\ReflectionMethod $method): void
    {
        $arguments = array_map($this->sampleOf(...), $method->getParameters());
        $this->assertHandedOn($method, $arguments, $arguments);
    }

    /** @dataProvider methods */
    #[DataProvider('methods')]
    public function testEachMethodHasTheDefaultsOfTheStore(\ReflectionMethod $method): void
    {
        $given = $expected = [];
        foreach ($method->getParameters() as $parameter) {
            $expected[] = $parameter->isOptional() ? $parameter->getDefaultValue() : $given[] = $this->sampleOf($parameter);
        }
        $this->assertHandedOn($method, $given, $expected);
    }

    /** @dataProvider methods */
    #[DataProvider('methods')]
    public function testEachMethodThrowsWhatTheStoreThrows(\ReflectionMethod $method): void
    {
        $thrown = new \RuntimeException('as it is');
        $inner = $this->createMock(StoreInterface::class);
        $inner->method($method->name)->willThrowException($thrown);
        $recorder = new Recorder();
        $tally = new Tally('table', '/root');
        try {
            $store = new TraceableStore($inner, $tally, new Tracer($recorder, null));
            $store->{$method->name}(...array_map($this->sampleOf(...), $method->getParameters()));
            $this->fail('nothing was thrown');
        } catch (\RuntimeException $e) {
            $this->assertSame($thrown, $e);
        }
        $this->assertSame([1, 1], [$tally->toArray()['calls'], $tally->toArray()['failures']]);
        $this->assertSame([\RuntimeException::class], array_column($recorder->calls(), 'outcome'));
    }

    public static function methods(): array
    {
        $methods = (new \ReflectionClass(StoreInterface::class))->getMethods();

        return array_combine(array_column($methods, 'name'), array_map(static fn ($method) => [$method], $methods));
    }

    private function assertHandedOn(\ReflectionMethod $method, array $given, array $expected): void
    {
        $result = $this->resultOf((string) $method->getReturnType());
        $inner = $this->createMock(StoreInterface::class);
        $call = $inner->expects($this->once())->method($method->name);
        $call->with(...array_map($this->identicalTo(...), $expected));
        if ($result !== null) {
            $call->willReturn($result);
        }
        $recorder = new Recorder();
        $store = new TraceableStore($inner, new Tally('table', '/root'), new Tracer($recorder, null));
        $returned = $store->{$method->name}(...$given);
        if ($result instanceof \Iterator) {
            $this->assertSame(iterator_to_array($result), iterator_to_array($returned));
        } else {
            $this->assertSame($result, $returned);
        }
        $this->assertSame([[$method->name, 'ok']], array_map(
            static fn (array $call): array => [$call['method'], $call['outcome']],
            $recorder->calls()
        ));
    }

    private function sampleOf(\ReflectionParameter $parameter): mixed
    {
        return match (ltrim((string) $parameter->getType(), '?\\')) {
            'string' => "a {$parameter->name}",
            'int' => 7,
            'array' => ['size' => 7],
            'mixed' => \STDIN,
            'DateTimeInterface' => new \DateTimeImmutable('@7'),
        };
    }

    private function resultOf(string $type): mixed
    {
        $info = new FileInfo('a', 1, new \DateTimeImmutable('@7'), 'text/plain', 'image', '/a');

        return match (ltrim($type, '\\')) {
            'void' => null,
            'bool' => true,
            'int' => 7,
            'string', 'mixed' => 'a result',
            'Iterator' => new \ArrayIterator([3 => $info, 5 => $info]),
            FileInfo::class => $info,
        };
    }
}
