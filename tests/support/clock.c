/*
 * Preloaded into a command: another time of day, and files of any age.
 *
 * EZDFS_TEST_CLOCK seconds are added to what time it is: the clock of this machine is wrong, that of
 * the file server is not. What changed last before EZDFS_TEST_BORN (nanoseconds since the epoch)
 * seems to have changed when its bytes did, which a trial can choose. EZDFS_TEST_FILE_AGE seconds older
 * is what is asked about by its name; not by its descriptor, from which the server's time is learnt.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long ahead, born, age;

__attribute__((constructor)) static void begin(void)
{
    const char *clock = getenv("EZDFS_TEST_CLOCK"), *before = getenv("EZDFS_TEST_BORN");
    const char *older = getenv("EZDFS_TEST_FILE_AGE");
    ahead = clock ? atoll(clock) : 0;
    born = before ? atoll(before) : 0;
    age = older ? atoll(older) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, clock, now);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += ahead;
    return status;
}

time_t time(time_t *now)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now)
        *now = precise.tv_sec;
    return precise.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

static int aged(int status, struct stat *file)
{
    if (status == 0 && file->st_ctim.tv_sec * 1000000000LL + file->st_ctim.tv_nsec < born)
        file->st_ctim = file->st_mtim;
    return status;
}

int fstat(int descriptor, struct stat *file)
{
    int (*real)(int, struct stat *);
    *(void **)&real = dlsym(RTLD_NEXT, "fstat");
    return aged(real(descriptor, file), file);
}

int fstatat(int directory, const char *restrict name, struct stat *restrict file, int flags)
{
    int (*real)(int, const char *, struct stat *, int);
    *(void **)&real = dlsym(RTLD_NEXT, "fstatat");
    int status = aged(real(directory, name, file, flags), file);
    if (status == 0) {
        file->st_mtim.tv_sec -= age;
        file->st_ctim.tv_sec -= age;
    }
    return status;
}

/* The same structure by another name. */
int fstat64(int descriptor, struct stat64 *file)
{
    return fstat(descriptor, (struct stat *)file);
}

int fstatat64(int directory, const char *restrict name, struct stat64 *restrict file, int flags)
{
    return fstatat(directory, name, (struct stat *)file, flags);
}
