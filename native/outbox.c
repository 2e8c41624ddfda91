// What control connections are told: a daemon may be busy while hundreds of processes end, and its socket takes a few hundred messages, however short.
// What it does not take now is kept for it. One that lets that fill up too has hung up or is stopped; it connects again and is told the states.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { KEPT_LIMIT = 64 << 10 };
static uint8_t kept[CONTROL_LIMIT][KEPT_LIMIT] __attribute__((aligned(4096))); // what its socket has not taken yet
static size_t kept_size[CONTROL_LIMIT];

// Its pages go back at once: few connections ever need them.
void drop_kept(int index) {
  if (kept_size[index] > 0) madvise(kept[index], KEPT_LIMIT, MADV_DONTNEED);
  kept_size[index] = 0;
}

// The end of the connection follows, as an event.
static void hang_up(int fd) { shutdown(fd, SHUT_RDWR); }

void send_or_keep(int index, int fd, const struct iovec *parts, size_t count) {
  size_t taken = 0, size = 0;
  for (size_t i = 0; i < count; i++) size += parts[i].iov_len;
  if (kept_size[index] == 0) {
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};
    ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return hang_up(fd);
    taken = sent < 0 ? 0 : (size_t)sent;
    if (taken == size) return;
    rewatch(fd, EPOLLIN | EPOLLOUT, ON_CONTROL, (uint32_t)index);
  }
  if (size - taken > KEPT_LIMIT - kept_size[index]) return hang_up(fd);
  for (size_t i = 0; i < count; i++) {
    size_t skipped = taken < parts[i].iov_len ? taken : parts[i].iov_len, rest = parts[i].iov_len - skipped;
    memcpy(kept[index] + kept_size[index], (const uint8_t *)parts[i].iov_base + skipped, rest);
    kept_size[index] += rest;
    taken -= skipped;
  }
}

void send_kept(int index, int fd) {
  if (kept_size[index] == 0) return;
  ssize_t sent = send(fd, kept[index], kept_size[index], MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return hang_up(fd);
  if (sent <= 0) return;
  if ((size_t)sent < kept_size[index]) {
    kept_size[index] -= (size_t)sent;
    memmove(kept[index], kept[index] + sent, kept_size[index]);
    return;
  }
  drop_kept(index);
  rewatch(fd, EPOLLIN, ON_CONTROL, (uint32_t)index);
}
