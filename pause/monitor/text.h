/*
 * Text put together in a buffer of fixed size, without stdio and without malloc: both would cost
 * each monitor pages of memory for its whole life.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct text {
    char *data;
    size_t size, used; /* what does not fit is left out; used never exceeds size */
};

void text_bytes(struct text *text, const void *bytes, size_t count);
void text_string(struct text *text, const char *string);
/* Decimal, with leading zeros up to `width` digits. */
void text_number(struct text *text, uint64_t number, int width);
/* SECONDS.NANOSECONDS */
void text_time(struct text *text, const struct timespec *time);
/* Ends the text with a NUL, over its last byte if it is full. Returns it. */
const char *text_end(struct text *text);

/* Message and errno on standard error; for what goes wrong before anything was reported. */
_Noreturn void die(int status, const char *what, const char *object, int error);

#endif
