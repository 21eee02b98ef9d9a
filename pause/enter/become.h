/* From root in the container to the command, with its user and rights and nothing else. */
#ifndef BECOME_H
#define BECOME_H

#include "options.h"

/*
 * Reads the seccomp filter and opens the host's /proc, where they are needed: called before the
 * container's files are what is seen. Returns 0, or -1 with errno.
 */
int prepare_confinement(const struct options *options);

/*
 * Called in the forked child, its standard streams in place. Never returns; what failed is
 * written to `status`, a close-on-exec descriptor that is therefore silent when all went well.
 */
_Noreturn void become(const struct options *options, int status);

#endif
