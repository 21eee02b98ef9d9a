#include "text.h"

#include <string.h>
#include <unistd.h>

void text_bytes(struct text *text, const void *bytes, size_t count)
{
    size_t room = text->size - text->used;
    if (count > room)
        count = room;
    memcpy(text->data + text->used, bytes, count);
    text->used += count;
}

void text_string(struct text *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

void text_number(struct text *text, uint64_t number, int width)
{
    char digits[24];
    int at = sizeof(digits);

    while (number > 0 || width > 0 || at == sizeof(digits)) {
        digits[--at] = '0' + number % 10;
        number /= 10;
        width--;
    }
    text_bytes(text, digits + at, sizeof(digits) - at);
}

void text_time(struct text *text, const struct timespec *time)
{
    text_number(text, time->tv_sec, 1);
    text_string(text, ".");
    text_number(text, time->tv_nsec, 9);
}

const char *text_end(struct text *text)
{
    if (text->used == text->size)
        text->used--;
    text->data[text->used] = '\0';
    return text->data;
}

void die(int status, const char *what, const char *object, int error)
{
    char buffer[512];
    struct text text = {.data = buffer, .size = sizeof(buffer) - 1};

    text_string(&text, "monitor: ");
    text_string(&text, what);
    if (object) {
        text_string(&text, " ");
        text_string(&text, object);
    }
    if (error) {
        text_string(&text, ": ");
        text_string(&text, strerror(error));
    }
    buffer[text.used++] = '\n';
    if (write(STDERR_FILENO, buffer, text.used) < 0) {
        /* nobody to tell; the status says it too */
    }
    _exit(status);
}
