/* What host-books-threads begins with: see lost_pages.c. */
#ifndef TEST_HOST_LOST_PAGES_H
#define TEST_HOST_LOST_PAGES_H

struct space;

/* For a space that owns nothing yet. When it returns the space owns nothing again. The calling thread is no CPU that the space needs. */
void lost_pages_play(struct space *space);

#endif
