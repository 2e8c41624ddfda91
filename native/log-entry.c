// Entries of a log as bytes, in Docker's two formats: a JSON object a line, {"log":…,"stream":…,"time":…}, as its json-file driver writes it, and the
// length-prefixed protobuf of its local driver.
#define _GNU_SOURCE
#include "shim.h"
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { LENGTH_SIZE = 4 }; // of the big-endian length before and behind a record
enum { TAG_SOURCE = 0x0a, TAG_TIME = 0x10, TAG_LINE = 0x1a, TAG_PARTIAL = 0x20, TAG_METADATA = 0x2a };
enum { TAG_LAST = 0x08, TAG_ID = 0x12, TAG_ORDINAL = 0x18 }; // of the metadata

static uint8_t *put(uint8_t *to, const char *text, size_t size) {
  memcpy(to, text, size);
  return to + size;
}
#define PUT(to, literal) put(to, literal, sizeof literal - 1)

// The size of the UTF-8 character at `s`, or 0 where there is none (overlong forms and surrogates are none).
static size_t character_size(const uint8_t *s, size_t left) {
  uint8_t lead = s[0], low = 0x80, high = 0xbf;
  size_t size = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (size == 0 || size > left) return 0;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  if (s[1] < low || s[1] > high) return 0;
  for (size_t i = 2; i < size; i++)
    if (s[i] < 0x80 || s[i] > 0xbf) return 0;
  return size;
}

static bool is_plain(uint8_t c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'; }

static uint8_t *put_escaped(uint8_t *to, const uint8_t *s, size_t size) {
  static const char hex[] = "0123456789abcdef";
  for (size_t i = 0; i < size;) {
    size_t start = i;
    while (i < size && is_plain(s[i])) i++;
    to = put(to, (const char *)s + start, i - start);
    if (i == size) break;
    uint8_t c = s[i];
    if (c < 0x80) {
      i++;
      if (c == '"' || c == '\\') *to++ = '\\', *to++ = c;
      else if (c == '\n') to = PUT(to, "\\n");
      else if (c == '\r') to = PUT(to, "\\r");
      else to = PUT(to, "\\u00"), *to++ = (uint8_t)hex[c >> 4], *to++ = (uint8_t)hex[c & 15];
      continue;
    }
    size_t length = character_size(s + i, size - i);
    if (length == 0) to = PUT(to, "\\ufffd"), length = 1;
    else if (length == 3 && c == 0xe2 && s[i + 1] == 0x80 && (s[i + 2] & 0xfe) == 0xa8)
      to = PUT(to, "\\u202"), *to++ = (uint8_t)hex[s[i + 2] & 15];
    else to = put(to, (const char *)s + i, length);
    i += length;
  }
  return to;
}

// RFC 3339 in UTC with nanoseconds, trailing zeros cut.
static void format_time(char text[TIME_SIZE], const struct timespec *now) {
  struct tm utc;
  gmtime_r(&now->tv_sec, &utc);
  size_t size = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
  if (now->tv_nsec > 0) {
    size += (size_t)snprintf(text + size, TIME_SIZE - size, ".%09ld", now->tv_nsec);
    while (text[size - 1] == '0') size--;
  }
  strcpy(text + size, "Z");
}

void take_stamp(struct log_stamp *stamp) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  stamp->ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  if (settings.log_format == LOG_JSON) format_time(stamp->text, &now);
}

void make_partial_id(char id[PARTIAL_ID_SIZE + 1]) {
  static const char hex[] = "0123456789abcdef";
  uint8_t bytes[PARTIAL_ID_SIZE / 2] = {0};
  getrandom(bytes, sizeof bytes, 0);
  for (size_t i = 0; i < sizeof bytes; i++) id[2 * i] = hex[bytes[i] >> 4], id[2 * i + 1] = hex[bytes[i] & 15];
  id[PARTIAL_ID_SIZE] = 0;
}

static const char *stream_of(const struct log_entry *e) { return e->which == 0 ? "stdout" : "stderr"; }

static uint8_t *put_json(uint8_t *to, const struct log_entry *e) {
  bool is_whole = e->partial == NULL || e->partial->is_last;
  to = PUT(to, "{");
  if (e->size > 0 || is_whole) {
    to = PUT(to, "\"log\":\"");
    to = put_escaped(to, e->data, e->size);
    to = is_whole ? PUT(to, "\\n\",") : PUT(to, "\",");
  }
  to = PUT(to, "\"stream\":\"");
  to = put(to, stream_of(e), 6);
  to = PUT(to, "\",");
  if (settings.log_attributes_size > 0) {
    to = PUT(to, "\"attrs\":");
    to = put(to, settings.log_attributes, settings.log_attributes_size);
    to = PUT(to, ",");
  }
  to = PUT(to, "\"time\":\"");
  to = put(to, e->stamp->text, strlen(e->stamp->text));
  return PUT(to, "\"}\n");
}

static uint8_t *put_varint(uint8_t *to, uint64_t value) {
  for (; value > 0x7f; value >>= 7) *to++ = (uint8_t)(value | 0x80);
  *to++ = (uint8_t)value;
  return to;
}

static uint8_t *put_length(uint8_t *to, size_t size) {
  for (int shift = 24; shift >= 0; shift -= 8) *to++ = (uint8_t)(size >> shift);
  return to;
}

static size_t take_length(const uint8_t *from) { return (size_t)from[0] << 24 | (size_t)from[1] << 16 | (size_t)from[2] << 8 | from[3]; }

static uint8_t *put_metadata(uint8_t *to, const struct log_partial *partial) {
  uint8_t ordinal[8], *end = put_varint(ordinal, partial->ordinal);
  size_t ordinal_size = (size_t)(end - ordinal);
  *to++ = TAG_PARTIAL, *to++ = 1;
  *to++ = TAG_METADATA;
  to = put_varint(to, (partial->is_last ? 2u : 0u) + 2 + PARTIAL_ID_SIZE + 1 + ordinal_size);
  if (partial->is_last) *to++ = TAG_LAST, *to++ = 1;
  *to++ = TAG_ID, *to++ = PARTIAL_ID_SIZE;
  to = put(to, partial->id, PARTIAL_ID_SIZE);
  *to++ = TAG_ORDINAL;
  return put(to, (const char *)ordinal, ordinal_size);
}

static uint8_t *put_record(uint8_t *start, const struct log_entry *e) {
  uint8_t *body = start + LENGTH_SIZE, *to = body;
  *to++ = TAG_SOURCE, *to++ = 6;
  to = put(to, stream_of(e), 6);
  *to++ = TAG_TIME;
  to = put_varint(to, e->stamp->ns);
  if (e->size > 0) {
    *to++ = TAG_LINE;
    to = put_varint(to, e->size);
    to = put(to, (const char *)e->data, e->size);
  }
  if (e->partial) to = put_metadata(to, e->partial);
  to = put(to, settings.log_attributes, settings.log_attributes_size);
  size_t size = (size_t)(to - body);
  put_length(start, size);
  return put_length(to, size);
}

uint8_t *put_log_entry(uint8_t *to, const struct log_entry *e) { return settings.log_format == LOG_LOCAL ? put_record(to, e) : put_json(to, e); }

size_t log_entry_bound(size_t size) { return size * (settings.log_format == LOG_LOCAL ? 1 : 6) + settings.log_attributes_size + 256; }

size_t whole_log_entries(const uint8_t *data, size_t size, uint64_t *count) {
  size_t whole = 0;
  for (*count = 0; whole < size; ++*count) {
    size_t next = size + 1;
    if (settings.log_format == LOG_LOCAL) {
      if (size - whole >= LENGTH_SIZE) next = whole + take_length(data + whole) + 2 * LENGTH_SIZE;
    } else {
      const uint8_t *newline = memchr(data + whole, '\n', size - whole);
      if (newline) next = (size_t)(newline + 1 - data);
    }
    if (next > size) break;
    whole = next;
  }
  return whole;
}
