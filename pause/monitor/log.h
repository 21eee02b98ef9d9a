/*
 * The log file: whole entries in, whole entries on disk, whatever the disk does.
 *
 * Entries are gathered and written together. A slow disk makes the writer wait, and with it the
 * container. A full or broken disk costs whole entries, which are counted.
 */
#ifndef LOG_H
#define LOG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct log {
    const char *path;
    off_t max;        /* bytes in one file; 0: any number */
    int files;        /* files in all */
    gid_t gid;        /* who may read it */
    int fd;           /* -1 while the file cannot be opened */
    off_t size;       /* of the file */
    off_t rotate_at;  /* size at which to rotate; moves up when rotating fails */
    uint64_t dropped; /* entries lost */
};

/* 0, or -1 with errno: it is then tried again once a second when there is something to write. */
int log_open(struct log *log);
/* One entry: three parts and a newline. Rotates first when the file would get too long. */
void log_entry(struct log *log, const struct iovec part[3]);
/* Writes what was gathered. */
void log_flush(struct log *log);
/* Moves the file away under a rotated name and begins a new one. 0, or -1 with errno. */
int log_rotate(struct log *log);
/* Opens the path again: somebody else has moved the file away. 0, or -1 with errno. */
int log_reopen(struct log *log);
/* Gives the memory of the buffer back; for quiet times. Nothing may be gathered. */
void log_release(struct log *log);

#endif
