/* The wall clock in ns since the epoch.
 *
 * CLOCK_REALTIME_COARSE costs a quarter of the exact clock, since it only copies the time of the kernel's latest tick,
 * which is up to 10 ms old.
 */
#ifndef DEPTHWIRE_WIRE_CLOCK_H
#define DEPTHWIRE_WIRE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t depthwire_now_ns(void) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Return the time of the kernel's latest tick, or the exact time on systems without that clock. */
static inline int64_t depthwire_coarse_ns(void) {
#ifdef CLOCK_REALTIME_COARSE
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
#else
    return depthwire_now_ns();
#endif
}

#endif
