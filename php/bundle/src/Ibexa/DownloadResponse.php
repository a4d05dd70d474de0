<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\Ibexa;

use Ibexa\Bundle\IO\BinaryStreamResponse;
use Ezdfs\Bundle\Download\DownloadMethods;

final class DownloadResponse extends BinaryStreamResponse
{
    use DownloadMethods;
}
