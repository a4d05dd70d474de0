<?php
// A PHP node, run by `php -S`: GET, PUT and DELETE of files, DELETE of directories (`/images/dir/`).
// The options are in php.ini (-d ezdfs.KEY=...).

$store = new Ezdfs\Store([]);
$path = ltrim($_SERVER['REQUEST_URI'], '/');
try {
    switch ($_SERVER['REQUEST_METHOD']) {
        case 'PUT':
            $store->create($path, fopen('php://input', 'rb'));
            echo 'stored';
            break;
        case 'DELETE':
            echo str_ends_with($path, '/') ? $store->deleteDirectory(rtrim($path, '/')) : $store->delete($path);
            break;
        default:
            echo $store->read($path);
    }
} catch (Ezdfs\Exception\EzdfsException $e) {
    http_response_code(match (true) {
        $e instanceof Ezdfs\Exception\NotFoundException => 404,
        $e instanceof Ezdfs\Exception\UnavailableException => 503,
        $e instanceof Ezdfs\Exception\StorageException, $e instanceof Ezdfs\Exception\NoSpaceException => 507,
        default => 500,
    });
    echo $e->getMessage();
}
