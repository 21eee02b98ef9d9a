/*
 * The control socket: a few clients, a line each.
 *
 *   free ──accept──► waits for its line ──newline──► command ──► answer ──► free
 *                      │ EOF, error, a line too long, or the longest
 *                      └ silent one while another wants the slot ─────────► free
 *
 * Nothing here waits for a client. "attach" keeps its client, which moves from its slot here to the
 * sessions of attach.h.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "attach.h"
#include "log.h"
#include "protocol.h"

struct client {
    int fd; /* -1: a free slot */
    uint64_t turn; /* of its last sign of life; the smallest is the longest silent */
    size_t used;
    char line[CONTROL_LINE_MAX];
};

struct control {
    int fd; /* listening socket, or -1 */
    uint64_t turn;
    struct client clients[CONTROL_CLIENTS];
};

#define CONTROL_POLLS (1 + CONTROL_CLIENTS)

void control_init(struct control *control, int fd);
/* Fills in CONTROL_POLLS entries. */
void control_poll(const struct control *control, struct pollfd *polls);
/* Handles what poll(2) said about them. */
void control_serve(struct control *control, const struct pollfd *polls, struct log *log,
                   struct attach *attach);

#endif
