// What a busy registry says of when to come again.
import type { IncomingMessage } from 'node:http'

/** Milliseconds from now; undefined where an answer is no refusal for the time being, or does not say for how long. Seconds or a date (RFC 9110, 10.2.3). */
export function retryAfterMs({ statusCode, headers }: IncomingMessage, nowMs: number): number | undefined {
  const text = headers['retry-after']
  if ((statusCode !== 429 && statusCode !== 503) || text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text) * 1000
  const dateMs = Date.parse(text)
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs)
}
