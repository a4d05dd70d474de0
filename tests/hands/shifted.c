/* Another time: for a command that is started with this library before all others.
 *
 * EZDFS_TEST_CLOCK_SHIFT: so many seconds this machine's clock is ahead of the file server's.
 * EZDFS_TEST_FILE_AGE: so many seconds older are files that are asked about by their names; not what
 * is asked about by its descriptor, from which the server's time is learnt. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

static long seconds(const char *variable)
{
    const char *value = getenv(variable);
    return value ? atol(value) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int outcome = real(clock, time);
    if (outcome == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += seconds("EZDFS_TEST_CLOCK_SHIFT");
    return outcome;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    int outcome = clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return outcome;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

int fstatat(int directory, const char *restrict path, struct stat *restrict status, int flags)
{
    static int (*real)(int, const char *, struct stat *, int);
    if (!real)
        real = (int (*)(int, const char *, struct stat *, int))dlsym(RTLD_NEXT, "fstatat");
    int outcome = real(directory, path, status, flags);
    if (outcome == 0) {
        status->st_mtim.tv_sec -= seconds("EZDFS_TEST_FILE_AGE");
        status->st_ctim.tv_sec -= seconds("EZDFS_TEST_FILE_AGE");
    }
    return outcome;
}

int fstatat64(int directory, const char *restrict path, struct stat64 *restrict status, int flags)
{
    return fstatat(directory, path, (struct stat *)status, flags);
}
