/*
 * Attached clients: copies of the container's output go to them, their input to the container.
 * protocol.h has the frames.
 *
 *   control ──"attach"──► session ◄──► frames ──► EOF, a breach of the protocol, ─► free
 *                           │ ▲                   its buffer full, the container's end
 *                           ▼ │
 *              blocked: the container does not take its input at present
 *
 * A session's output waits in the buffer of its socket and nowhere else: a client that lets it fill
 * up is dropped, and neither the log nor the container ever waits for one. Its input stays in the
 * socket too until the container takes it.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

struct session {
    int fd;         /* -1: free */
    bool streams[3]; /* what it asked for, by the frame's type: input, stdout, stderr */
    bool blocked;
    uint32_t left;  /* bytes to come of the input frame under way */
    size_t used;
    unsigned char head[FRAME_HEAD + RESIZE_SIZE];
};

struct attach {
    int input;    /* non-blocking, towards the container; -1: none, or none any more */
    int terminal; /* the container's end of its terminal, or -1 */
    bool given;   /* there was an input to begin with */
    bool once;    /* the first session with input takes it along when it ends */
    struct session sessions[ATTACH_CLIENTS];
};

#define ATTACH_POLLS (1 + ATTACH_CLIENTS)

void attach_init(struct attach *attach, int input, bool once, int terminal);
/*
 * Makes a session of the connection `fd`; `words` name what it wants, each after a blank. NULL, or
 * why it cannot be: then the caller keeps the connection.
 */
const char *attach_begin(struct attach *attach, int fd, const char *words);
/* Fills in ATTACH_POLLS entries. */
void attach_poll(const struct attach *attach, struct pollfd *polls);
/* Handles what poll(2) said about them. */
void attach_serve(struct attach *attach, const struct pollfd *polls);
/* What the container wrote. */
void attach_output(struct attach *attach, enum frame type, const void *data, size_t size);
/* The main process is over: lets go of the terminal, which then comes to its end. */
void attach_hang_up(struct attach *attach);
/* Tells everybody the exit code and ends all sessions. */
void attach_end(struct attach *attach, int code);
/* Gives memory back; for quiet times. */
void attach_release(void);

#endif
