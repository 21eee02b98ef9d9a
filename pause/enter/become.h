/* From root in the container to the command, with its user and rights and nothing else. */
#ifndef BECOME_H
#define BECOME_H

#include "options.h"

/*
 * Called in the forked child, its standard streams in place. Never returns; what failed is
 * written to `status`, a close-on-exec descriptor that is therefore silent when all went well.
 */
_Noreturn void become(const struct options *options, int status);

#endif
