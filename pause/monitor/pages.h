/* Memory that is only needed while there is something to do. */
#ifndef PAGES_H
#define PAGES_H

#include <stddef.h>

#define PAGE_ALIGNED __attribute__((aligned(4096)))

/*
 * Gives the pages of a PAGE_ALIGNED buffer back to the kernel; it reads as zeros afterwards. The
 * last page must hold nothing else. Does nothing on machines with larger pages.
 */
void pages_release(void *buffer, size_t size);

#endif
