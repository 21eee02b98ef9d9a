#define _GNU_SOURCE
#include "pages.h"

#include <sys/mman.h>
#include <unistd.h>

void pages_release(void *buffer, size_t size)
{
    if (sysconf(_SC_PAGESIZE) == 4096)
        madvise(buffer, size, MADV_DONTNEED);
}
