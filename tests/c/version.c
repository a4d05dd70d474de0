/* The header and the library that it is compiled for are of one version. */

#include <ezdfs.h>

#include <stdio.h>

int
main(void)
{
    printf("%u\n", (unsigned) ezdfs_version_number());
    return ezdfs_version_number() == 0;
}
