// Where a plan stops until whoever spawned the process lets it go on, and what it keeps of the word that it was given.
#include "shim.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { WORD_SIZE = 1 + STATE_LIMIT + 1 }; // the letter, the state, and a byte that shows a state too long

static struct {
  size_t size;
  char bytes[STATE_LIMIT];
} kept; // touched in children alone

const char *kept_state(size_t *size) {
  *size = kept.size;
  return kept.bytes;
}

// Anything but the letter is the end, and so is silence: whoever spawned the process is gone, or has given up on it.
static void take_word(const char *word, ssize_t size) {
  if (size < 1 || size >= WORD_SIZE || *word != 's') _exit(0);
  if (size == 1) return; // says nothing new
  kept.size = (size_t)size - 1;
  memcpy(kept.bytes, word + 1, kept.size);
}

static char word[WORD_SIZE];

static ssize_t read_some(int fd, char *to, size_t room) {
  ssize_t size;
  do size = read(fd, to, room);
  while (size < 0 && errno == EINTR);
  return size;
}

void sync_with_spawner(struct child *child, uint32_t point, uint32_t value) {
  tell_spawner(child->channel, CHILD_SYNC, point, value);
  take_word(word, read_some(child->channel, word, sizeof word));
}

int step_sync(struct child *child, struct cursor *c) {
  uint32_t point = take_u32(c);
  if (c->bad) return -1;
  if (child->channel < 0) return refuse(EPIPE);
  sync_with_spawner(child, point, 0);
  return 0;
}

int step_await_start(struct child *child, struct cursor *c) {
  (void)c;
  tell_spawner(child->channel, CHILD_CREATED, 0, 0);
  take_word(word, read_some(child->channel, word, sizeof word));
  return 0;
}

// The process holds both ends of the FIFO, so that there is always a reader while it lives, and never an end of what is to be read.
int step_await_fifo(struct child *child, struct cursor *c) {
  uint8_t fifo_slot = take_u8(c), status_slot = take_u8(c);
  int fifo = slot_fd(child, fifo_slot), status = fifo < 0 ? -1 : slot_fd(child, status_slot);
  if (c->bad || status < 0) return -1;
  tell_spawner(child->channel, CHILD_CREATED, 0, 0);
  close(child->channel);
  child->channel = -1;
  size_t size = 0;
  char *end = NULL;
  while (!end && size < sizeof word) {
    ssize_t more = read_some(fifo, word + size, sizeof word - size);
    if (more <= 0) _exit(0);
    end = memchr(word + size, 0, (size_t)more);
    size += (size_t)more;
  }
  if (!end) _exit(0);
  take_word(word, end - word);
  child->status = status;
  child->slots[fifo_slot] = child->slots[status_slot] = -1;
  return close(fifo);
}
