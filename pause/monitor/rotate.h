/* Names of rotated logs: making the next one, and removing the oldest ones. */
#ifndef ROTATE_H
#define ROTATE_H

#include <stddef.h>

/* Renames `path` to its next rotated name, kept in `rotated` (`size` bytes). 0, or -1 with errno. */
int rotate_away(const char *path, char *rotated, size_t size);

/* Removes the oldest rotated logs of `path` until `keep` of them are left. */
void rotate_prune(const char *path, int keep);

#endif
