/* The agent must hear of an exit. If none listens, one is started. */
#ifndef AGENT_H
#define AGENT_H

/*
 * Tries to connect to `socket`; when nobody listens there, starts `command` (argv, an absolute
 * path first) on its own: own session, stdio on /dev/null, no signal blocked or ignored, cwd /,
 * and of the environment only PATH and PODRUN_CONFIG. Does not wait for it.
 */
void agent_wake(const char *socket, char **command);

#endif
