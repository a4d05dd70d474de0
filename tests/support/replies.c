/*
 * Preloaded into a command: answers of the file server that get lost.
 *
 * Calls beneath EZDFS_TEST_REPLIES_ROOT that change something are numbered from 1, and written to
 * EZDFS_TEST_REPLIES_LOG as "NUMBER KIND NAME" lines. EZDFS_TEST_REPLIES chooses some of them, as
 * "FIRST-LAST:ERRNO:DONE,...": they are carried out (DONE 1) or not (0), and answered with an error.
 * After the call EZDFS_TEST_REPLIES_DEAD nothing beneath the root can be changed or looked at.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_REPLIES = 16 };

static struct reply {
    long first, last;
    int error, done;
} replies[MOST_REPLIES];

static int chosen;
static long dead;
static const char *root;
static FILE *calls;
static atomic_long count;

__attribute__((constructor)) static void begin(void)
{
    const char *plan = getenv("EZDFS_TEST_REPLIES"), *log = getenv("EZDFS_TEST_REPLIES_LOG");
    const char *after = getenv("EZDFS_TEST_REPLIES_DEAD");
    root = getenv("EZDFS_TEST_REPLIES_ROOT");
    dead = after ? atol(after) : 0;
    calls = log ? fopen(log, "a") : NULL;
    while (plan && *plan && chosen < MOST_REPLIES) {
        struct reply *reply = &replies[chosen];
        if (sscanf(plan, "%ld-%ld:%d:%d", &reply->first, &reply->last, &reply->error,
                   &reply->done) == 4)
            chosen++;
        plan = strchr(plan, ',');
        plan = plan ? plan + 1 : NULL;
    }
}

static bool is_beneath(int directory, const char *name)
{
    char link[64], path[4096];
    if (!root)
        return false;
    if (name && *name == '/')
        return !strncmp(name, root, strlen(root));
    if (directory < 0)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = readlink(link, path, sizeof path);
    return length >= (ssize_t)strlen(root) && !strncmp(path, root, strlen(root));
}

/* The answer to a call that is not to have its own. */
static const struct reply *counted(const char *kind, int directory, const char *name)
{
    static const struct reply gone = {.error = EIO};
    if (!is_beneath(directory, name))
        return NULL;
    long number = atomic_fetch_add(&count, 1) + 1;
    if (calls) {
        fprintf(calls, "%ld %s %s\n", number, kind, name ? name : "");
        fflush(calls);
    }
    for (int i = 0; i < chosen; i++)
        if (number >= replies[i].first && number <= replies[i].last)
            return &replies[i];
    return dead && number > dead ? &gone : NULL;
}

static bool is_dead(int directory, const char *name)
{
    return dead && atomic_load(&count) >= dead && is_beneath(directory, name);
}

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static int answered(const struct reply *reply)
{
    errno = reply->error;
    return -1;
}

#define CHANGING(kind, directory, name, call)                                                      \
    do {                                                                                           \
        const struct reply *reply = counted(kind, directory, name);                                \
        if (!reply)                                                                                \
            return call;                                                                           \
        if (reply->done)                                                                           \
            (void)!(call);                                                                         \
        return answered(reply);                                                                    \
    } while (0)

int linkat(int from, const char *name, int to, const char *new_name, int flags)
{
    int (*call)(int, const char *, int, const char *, int) = real("linkat");
    CHANGING("link", to, new_name, call(from, name, to, new_name, flags));
}

int renameat(int from, const char *name, int to, const char *new_name)
{
    int (*call)(int, const char *, int, const char *) = real("renameat");
    CHANGING("rename", to, new_name, call(from, name, to, new_name));
}

int renameat2(int from, const char *name, int to, const char *new_name, unsigned flags)
{
    int (*call)(int, const char *, int, const char *, unsigned) = real("renameat2");
    CHANGING("rename", to, new_name, call(from, name, to, new_name, flags));
}

int unlinkat(int directory, const char *name, int flags)
{
    int (*call)(int, const char *, int) = real("unlinkat");
    const char *kind = flags & AT_REMOVEDIR ? "rmdir" : "unlink";
    CHANGING(kind, directory, name, call(directory, name, flags));
}

int mkdirat(int directory, const char *name, mode_t mode)
{
    int (*call)(int, const char *, mode_t) = real("mkdirat");
    CHANGING("mkdir", directory, name, call(directory, name, mode));
}

int fsync(int file)
{
    int (*call)(int) = real("fsync");
    CHANGING("fsync", file, NULL, call(file));
}

int fdatasync(int file)
{
    int (*call)(int) = real("fdatasync");
    CHANGING("fsync", file, NULL, call(file));
}

int fchmod(int file, mode_t mode)
{
    int (*call)(int, mode_t) = real("fchmod");
    CHANGING("chmod", file, NULL, call(file, mode));
}

int futimens(int file, const struct timespec times[2])
{
    int (*call)(int, const struct timespec *) = real("futimens");
    CHANGING("utimens", file, NULL, call(file, times));
}

int utimensat(int directory, const char *name, const struct timespec times[2], int flags)
{
    int (*call)(int, const char *, const struct timespec *, int) = real("utimensat");
    CHANGING("utimens", directory, name, call(directory, name, times, flags));
}

static int opened(const char *symbol, int directory, const char *name, int flags, mode_t mode)
{
    int (*call)(int, const char *, int, ...) = real(symbol);
    if ((flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL)) {
        if (!is_dead(directory, name))
            return call(directory, name, flags, mode);
        errno = EIO;
        return -1;
    }
    const struct reply *reply = counted("create", directory, name);
    if (!reply)
        return call(directory, name, flags, mode);
    int made = reply->done ? call(directory, name, flags, mode) : -1;
    if (made >= 0)
        close(made);
    return answered(reply);
}

#define MODE                                                                                       \
    va_list rest;                                                                                  \
    va_start(rest, flags);                                                                         \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                      \
    va_end(rest)

int openat(int directory, const char *name, int flags, ...)
{
    MODE;
    return opened("openat", directory, name, flags, mode);
}

int openat64(int directory, const char *name, int flags, ...)
{
    MODE;
    return opened("openat64", directory, name, flags, mode);
}

int fstatat(int directory, const char *restrict name, struct stat *restrict file, int flags)
{
    int (*call)(int, const char *, struct stat *, int) = real("fstatat");
    if (!is_dead(directory, name))
        return call(directory, name, file, flags);
    errno = EIO;
    return -1;
}

/* The same structure by another name. */
int fstatat64(int directory, const char *restrict name, struct stat64 *restrict file, int flags)
{
    return fstatat(directory, name, (struct stat *)file, flags);
}
