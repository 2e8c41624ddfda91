// HTTP/2's dials, the same on both ends.
import type { Settings } from 'node:http2'

/** The default windows (64 KiB) would make a layer's upload wait for an acknowledgement every few frames. */
export const HTTP2_SETTINGS: Settings = {
  initialWindowSize: 1 << 20,
  maxFrameSize: 1 << 18,
  maxConcurrentStreams: 10_000,
  enablePush: false,
}

/** Of the whole connection. */
export const LOCAL_WINDOW_BYTES = 8 << 20

/** In MB. Node refuses streams beyond it; its default of 10 is less than one message of the largest size. */
export const SESSION_MEMORY_MB = 128
