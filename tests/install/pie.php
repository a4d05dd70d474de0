<?php

// Installs what composer.json in the current directory requires, by Composer's library, as PIE does: extensions,
// which newer versions of the command leave to PIE.

declare(strict_types=1);

require 'Composer/autoload.php';

$io = new Composer\IO\BufferIO();
$composer = Composer\Factory::create($io, 'composer.json', true);
$installer = Composer\Installer::create($io, $composer)->setUpdate(true);
if (method_exists($installer, 'setIgnoredTypes')) {
    $installer->setIgnoredTypes([])->setAllowedTypes(['php-ext', 'php-ext-zend']);
}
$code = $installer->run();
echo $io->getOutput();
exit($code);
