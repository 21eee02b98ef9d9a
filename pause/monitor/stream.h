/* One output of the container: bytes in, entries of the CRI log format and copies out. */
#ifndef STREAM_H
#define STREAM_H

#include <stddef.h>

#include "attach.h"
#include "log.h"
#include "pages.h"
#include "protocol.h"

struct stream {
    const char *name; /* "stdout" or "stderr" */
    enum frame type;  /* likewise, for attached clients */
    struct attach *attach;
    int fd;           /* non-blocking read end, or master of a terminal; -1 after its end */
    size_t carried;   /* bytes of a line whose end has not come yet */
    /* The one byte more is a CR that an LF may follow: it would not count. */
    char carry[LINE_MAX_BYTES + 1] PAGE_ALIGNED;
};

/* Reads what is there, within bounds that leave the others their turn, and logs it. */
void stream_read(struct stream *stream, struct log *log);
/* Reads what is in the pipe now, and not what somebody goes on to write. */
void stream_read_rest(struct stream *stream, struct log *log);
/* EOF, or nobody wants to wait for it: logs the unterminated line as a part. */
void stream_finish(struct stream *stream, struct log *log);
/* Gives memory back; for quiet times. */
void stream_release(struct stream *stream);

#endif
