// What two engines cannot have in common: ids, moments, sizes, addresses, places. Everything else of what is printed is compared.
import type { CommandResult } from './command.ts'

/** The first that matches a place decides; the order matters. */
const MASKS: readonly (readonly [RegExp, string])[] = [
  // Of the client of 20.10: whether it hears the end of its wait or the end of its request first is a race.
  [/^.*error waiting for container: context canceled.*\n/gm, ''],
  // Of cp: whether the client is still packing when it is refused.
  [/^.*Can't (add file|close tar writer).*closed pipe.*\n/gm, ''],
  [/\b[0-9a-f]{64}\b/g, '<id>'],
  [/\b(?=[0-9]*[a-f])[0-9a-f]{12}\b/g, '<short id>'],
  [/\b[0-9a-f]{60}\.{3}/g, '<id>'],
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d| [+-]\d{4} \w+)?/g, '<time>'],
  [/\b(About an? |Less than a |\d+ )(second|minute|hour|day|week|month|year)s?\b/g, '<age>'],
  [/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, '<mac>'],
  [/\b172\.17\.0\.(?!1\b)(?!0\b)\d+\b/g, '<address>'],
  [/\b\d+(\.\d+)?([kKMGT]i?)?B\b/g, '<size>'],
  [/\/dev\/pts\/\d+/g, '/dev/pts/<n>'],
  // A terminal's echo of the end of input, where that comes before the client has made the terminal raw.
  [/\^@/g, ''],
  [/\b127\.0\.0\.1:\d{5}\b/g, '<registry>'],
]

/** `places` are the side's own directories and socket. Where something was masked, columns are no more than two blanks apart. */
export function maskResult(result: CommandResult, places: readonly string[]): CommandResult {
  const mask = (text: string) => maskText(text, places)
  return { code: result.code, stdout: mask(result.stdout), stderr: mask(result.stderr) }
}

/** As `maskResult` does with a stream. */
export function maskText(text: string, places: readonly string[]): string {
  let masked = text
  for (const place of places) masked = masked.replaceAll(place, '<place>')
  for (const [pattern, name] of MASKS) masked = masked.replace(pattern, name)
  return masked === text ? text : masked.replace(/ {2,}/g, '  ').replace(/ +$/gm, '')
}
