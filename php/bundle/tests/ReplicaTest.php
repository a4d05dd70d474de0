<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Tests;

use Ezdfs\Bundle\Tests\Support\Agent;
use Ezdfs\Bundle\Tests\Support\PhpNode;
use Ezdfs\Bundle\Tests\Support\Site;
use Ezdfs\Bundle\Tests\Support\SiteTestCase;
use PHPUnit\Framework\Attributes\DataProvider;

/**
 * A site whose rows come from its node's replica.
 */
final class ReplicaTest extends SiteTestCase
{
    private const ID = 'images/1/a.txt';

    private ?Agent $agent = null;

    protected function setUp(): void
    {
        if (!is_executable(Agent::command())) {
            $this->markTestSkipped(Agent::command() . ' is missing');
        }
        parent::setUp();
        (new PhpNode($this->site))->create(self::ID, 'one', 'text/plain');
        $this->agent = new Agent($this->site);
    }

    protected function tearDown(): void
    {
        $this->agent?->stop();
        if (isset($this->site)) {
            parent::tearDown();
        }
    }

    private function boot(string $options): void
    {
        $options = "options: { replica: {$this->agent->replica}, replica_max_lag: 1h$options }";
        $this->site->boot(str_replace('dfs_connection }', "dfs_connection, $options }", Site::yaml()));
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testRowsAreThoseOfTheReplica(string $class): void
    {
        $this->boot(', replica_confirms: 0');
        $door = new $class($this->site);
        $this->assertSame(3, $door->load(self::ID)->size);
        $this->assertSame('text/plain', $door->mimeType(self::ID));

        // Nobody asks the database, which knows better.
        $this->agent->freeze();
        (new PhpNode($this->site))->create('images/2/b.txt', 'unknown', 'text/plain');
        $this->assertFalse($door->exists('images/2/b.txt'));
        $this->site->sql("UPDATE {$this->site->table()} SET size = 7");
        $this->assertSame(3, $door->load(self::ID)->size);
        $this->agent->thaw();
        for ($end = time() + 60; $door->load(self::ID)->size !== 7 && time() < $end; usleep(50_000)) {
        }
        $this->assertSame(7, $door->load(self::ID)->size);
    }

    /** @dataProvider doors */
    #[DataProvider('doors')]
    public function testARequestSeesItsOwnWritesAndWhatIsNew(string $class): void
    {
        $this->boot('');
        $door = new $class($this->site);
        $this->agent->freeze();
        $door->create(self::ID, 'longer');
        $this->assertSame(6, $door->load(self::ID)->size);
        $door->create('images/3/c.txt', 'three');
        $this->assertTrue($door->exists('images/3/c.txt'));
        $door->delete('images/3/c.txt');
        $this->assertFalse($door->exists('images/3/c.txt'));
        (new PhpNode($this->site))->create('images/2/b.txt', 'of another node', 'text/plain');
        $this->assertTrue($door->exists('images/2/b.txt'));
        $this->assertSame('of another node', $door->contents('images/2/b.txt'));
    }
}
