<?php

// The front controller. A node's configuration lies in the directory that NODE_HOME names.

declare(strict_types=1);

use Symfony\Component\HttpFoundation\Request;

require __DIR__ . '/../../../php/bundle/tests/bootstrap.php';
require '/usr/share/php/Symfony/Component/Cache/autoload.php';
require __DIR__ . '/Application.php';

$request = Request::createFromGlobals();
$kernel = new Application(getenv('NODE_HOME'), getenv('NODE_NAME'));
$response = $kernel->handle($request);
$response->send();
$kernel->terminate($request, $response);
