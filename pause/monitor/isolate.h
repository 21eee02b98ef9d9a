/* Standing alone: nothing inherited but what was given, and nothing that could end us. */
#ifndef ISOLATE_H
#define ISOLATE_H

#include "options.h"

/*
 * Closes every descriptor that was not given, makes the given ones non-blocking and close-on-exec,
 * blocks all signals, and lets go of the parent. Exits with a message when something given is not
 * open. Returns a signalfd of SIGCHLD.
 */
int isolate(const struct options *options);

/* Standard input, output and error become /dev/null, the working directory becomes /. */
void isolate_silence(void);

#endif
