/*
 * Runs a program in a sandbox that refuses system calls, as container runtimes do with those that
 * they do not know: refuse ERRNO CALL,CALL,... PROGRAM [ARGUMENT]...
 */
#define _GNU_SOURCE
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "which architecture is this?"
#endif

/* Numbers that headers of the oldest supported Debian may lack are the same everywhere. */
static const struct {
    const char *name;
    unsigned number;
} known[] = {
    {"clone3", 435},        {"close_range", 436},
    {"openat2", 437},       {"faccessat2", 439},
    {"epoll_pwait2", 441},  {"fchmodat2", 452},
    {"pidfd_open", 434},    {"io_uring_setup", 425},
    {"statx", SYS_statx},   {"copy_file_range", SYS_copy_file_range},
    {"preadv2", SYS_preadv2}, {"pwritev2", SYS_pwritev2},
    {"memfd_create", SYS_memfd_create}, {"renameat2", SYS_renameat2},
    {"getrandom", SYS_getrandom}, {"membarrier", SYS_membarrier},
    {"mlock2", SYS_mlock2}, {"sched_setattr", SYS_sched_setattr},
    {"execveat", SYS_execveat}, {"userfaultfd", SYS_userfaultfd},
    {"linkat", SYS_linkat},
};

enum { KNOWN = sizeof known / sizeof *known };

static unsigned number_of(const char *name)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (!strcmp(known[i].name, name))
            return known[i].number;
    fprintf(stderr, "refuse: %s is not known\n", name);
    exit(127);
}

int main(int argc, char **argv)
{
    struct sock_filter filter[4 + 2 * KNOWN] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    unsigned short length = 4;
    if (argc < 4) {
        fprintf(stderr, "usage: refuse ERRNO CALL,... PROGRAM [ARGUMENT]...\n");
        return 127;
    }
    unsigned refusal = SECCOMP_RET_ERRNO | (unsigned)atoi(argv[1]);
    for (char *name = strtok(argv[2], ","); name && length < 4 + 2 * KNOWN;
         name = strtok(NULL, ",")) {
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                        number_of(name), 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, refusal);
    }
    struct sock_filter program[5 + 2 * KNOWN];
    memcpy(program, filter, sizeof filter);
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog loaded = {.len = length, .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &loaded)) {
        perror("refuse");
        return 127;
    }
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 127;
}
