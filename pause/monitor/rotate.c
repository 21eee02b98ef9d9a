#include "rotate.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "text.h"

/*
 * Many rotations may fall into one second, and a clock may step back. So the names never go back
 * either: a number follows the same second, even where pruning has freed an earlier name.
 */
static time_t stamp;
static unsigned sequence;

static void next_stamp(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec > stamp) {
        stamp = now.tv_sec;
        sequence = 0;
    } else {
        sequence++;
    }
}

static const char *rotated_name(const char *path, char *name, size_t size)
{
    struct text text = {.data = name, .size = size};
    struct tm utc;

    gmtime_r(&stamp, &utc);
    text_string(&text, path);
    text_string(&text, ".");
    text_number(&text, utc.tm_year + 1900, 4);
    text_number(&text, utc.tm_mon + 1, 2);
    text_number(&text, utc.tm_mday, 2);
    text_string(&text, "-");
    text_number(&text, utc.tm_hour, 2);
    text_number(&text, utc.tm_min, 2);
    text_number(&text, utc.tm_sec, 2);
    if (sequence > 0) {
        text_string(&text, "-");
        text_number(&text, sequence, 4);
    }
    return text_end(&text);
}

int rotate_away(const char *path, char *rotated, size_t size)
{
    do {
        next_stamp();
    } while (access(rotated_name(path, rotated, size), F_OK) == 0);
    return rename(path, rotated);
}

/* Length of a rotated log's name without ".gz"; 0 when `name` is not a rotated log of `base`. */
static size_t key_length(const char *name, const char *base)
{
    static const char shape[] = ".dddddddd-dddddd";
    size_t length = strlen(name);

    if (strncmp(name, base, strlen(base)))
        return 0;
    name += strlen(base);
    for (const char *s = shape; *s; s++, name++)
        if (*s == 'd' ? !isdigit((unsigned char)*name) : *name != *s)
            return 0;
    if (length > 3 && !strcmp(name + strlen(name) - 3, ".gz"))
        return length - 3;
    return length;
}

/* Is `a` older than `b`? Compared without ".gz", or '.' would sort after '-'. */
static bool older(const char *a, const char *b, const char *base)
{
    size_t a_length = key_length(a, base), b_length = key_length(b, base);
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order < 0 : a_length < b_length;
}

/* Counts the rotated logs of `base` and finds the oldest one. getdents64: opendir would malloc. */
static int survey(int directory, const char *base, char oldest[NAME_MAX + 1])
{
    char entries[2048] __attribute__((aligned(8)));
    long got;
    int count = 0;

    lseek(directory, 0, SEEK_SET);
    while ((got = syscall(SYS_getdents64, directory, entries, sizeof(entries))) > 0) {
        for (long at = 0; at < got;) {
            struct dirent *entry = (struct dirent *)(entries + at);
            at += entry->d_reclen;
            if (!key_length(entry->d_name, base))
                continue;
            if (count++ == 0 || older(entry->d_name, oldest, base))
                strcpy(oldest, entry->d_name);
        }
    }
    return count;
}

void rotate_prune(const char *path, int keep)
{
    char parent[PATH_MAX], oldest[NAME_MAX + 1];
    struct text text = {.data = parent, .size = sizeof(parent)};
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;

    text_bytes(&text, path, base - path);
    text_string(&text, ".");
    int directory = open(text_end(&text), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return;
    while (survey(directory, base, oldest) > keep)
        if (unlinkat(directory, oldest, 0) < 0 && errno != ENOENT)
            break;
    close(directory);
}
