<?php

declare(strict_types=1);

namespace Ezdfs\Bundle\EzPlatform;

use eZ\Bundle\EzPublishIOBundle\BinaryStreamResponse;
use Ezdfs\Bundle\Download\DownloadMethods;

final class DownloadResponse extends BinaryStreamResponse
{
    use DownloadMethods;
}
