// Sizes and times for people.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Three significant digits, decimal units: `4.27 MB`. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0]
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000
  return `${Number(value.toPrecision(3))} ${UNITS[unit]}`
}

/** To the minute, in UTC; undefined for what is no time. */
export function formatMoment(text: string): { iso: string; shown: string } | undefined {
  const milliseconds = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(milliseconds)) return undefined
  const iso = new Date(milliseconds).toISOString()
  return { iso, shown: `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC` }
}

/** Enough of a digest to tell it from others by sight. */
export function shortDigest(digest: string): string {
  return digest.replace(/^([a-z0-9]+:[0-9a-f]{12})[0-9a-f]*$/, '$1…')
}

const TEXT_LENGTH_MAX = 4000

/** Labels may be of any length, and a browser lays out all that it is given. */
export function boundText(text: string): string {
  return text.length <= TEXT_LENGTH_MAX
    ? text
    : `${text.slice(0, TEXT_LENGTH_MAX)}… (${text.length - TEXT_LENGTH_MAX} more characters)`
}
