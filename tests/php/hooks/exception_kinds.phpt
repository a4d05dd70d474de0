--TEST--
Every kind of error throws its class, with its code
--FILE--
<?php
foreach ([1, 2, 3, 4, 5, 6, 7, 8, 9, 99] as $code) {
    try {
        ezdfs_test_fail($code);
    } catch (Ezdfs\Exception\EzdfsException $e) {
        echo $e::class, ' ', $e->getCode(), ' ', $e->getMessage(), ' ', $e->getOperation(), ' ', $e->getSubject(), "\n";
    }
}
?>
--EXPECT--
Ezdfs\Exception\NotFoundException 1 test "hook": a test wants it test hook
Ezdfs\Exception\InvalidNameException 2 test "hook": a test wants it test hook
Ezdfs\Exception\UnavailableException 3 test "hook": a test wants it test hook
Ezdfs\Exception\InvalidConfigException 4 test "hook": a test wants it test hook
Ezdfs\Exception\InvalidInputException 5 test "hook": a test wants it test hook
Ezdfs\Exception\SchemaException 6 test "hook": a test wants it test hook
Ezdfs\Exception\StorageException 7 test "hook": a test wants it test hook
Ezdfs\Exception\DeniedException 8 test "hook": a test wants it test hook
Ezdfs\Exception\NoSpaceException 9 test "hook": a test wants it test hook
Ezdfs\Exception\InternalException 99 test "hook": a test wants it test hook
