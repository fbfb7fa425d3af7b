/* A clock that is wrong by as many seconds as the file named by GATEHOUSE_TEST_CLOCK holds, as a
   64-bit number; loaded before the C library (LD_PRELOAD). Spans of time stay right. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile int64_t *wrong_by;

__attribute__((constructor)) static void open_clock(void) {
    int file = open(getenv("GATEHOUSE_TEST_CLOCK"), O_RDONLY | O_CLOEXEC);
    void *seen = mmap(NULL, sizeof *wrong_by, PROT_READ, MAP_SHARED, file, 0);
    if (file < 0 || seen == MAP_FAILED) {
        abort();
    }
    wrong_by = seen;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) {
        real = dlsym(RTLD_NEXT, "clock_gettime");
    }
    int outcome = real(id, at);
    if (outcome == 0 && wrong_by && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        at->tv_sec += *wrong_by;
    }
    return outcome;
}
