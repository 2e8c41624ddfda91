// Ages, times and sizes as the Docker client prints them (docker/go-units).

/** `Less than a second`, `5 seconds`, `About a minute`, `3 hours`, `2 weeks`… */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000)
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  if (seconds < 60) return `${seconds} seconds`
  const minutes = Math.floor(seconds / 60)
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  const hours = Math.floor(milliseconds / 3_600_000 + 0.5)
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`
  return `${Math.floor(milliseconds / 3_600_000 / 24 / 365)} years`
}

/** `3 minutes ago`, from seconds since the epoch. */
export function formatAge(epochSeconds: number, nowMs = Date.now()): string {
  return `${formatDuration(nowMs - epochSeconds * 1000)} ago`
}

const pad = (value: number, width = 2) => String(value).padStart(width, '0')

/** `2026-11-24 00:16:15 +0000 UTC`, in this machine's zone. */
export function formatLocalTime(epochSeconds: number): string {
  const date = new Date(epochSeconds * 1000)
  const offset = -date.getTimezoneOffset()
  const day = `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
  return `${day} ${time} ${formatOffset(offset, '')} ${offset === 0 ? 'UTC' : zoneName(date)}`
}

/** `2026-11-24T00:16:15Z`, in this machine's zone. */
export function formatLocalMoment(epochSeconds: number): string {
  return formatNanoTime(BigInt(epochSeconds) * 1_000_000_000n).replace(/\.0{9}/, '')
}

/** `2026-11-24T00:16:15.123456789Z`, in this machine's zone, from nanoseconds since the epoch. */
export function formatNanoTime(nanoseconds: bigint): string {
  const date = new Date(Number(nanoseconds / 1_000_000n))
  const offset = -date.getTimezoneOffset()
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19)
  const fraction = String(nanoseconds % 1_000_000_000n).padStart(9, '0')
  return `${local}.${fraction}${offset === 0 ? 'Z' : formatOffset(offset, ':')}`
}

function formatOffset(minutes: number, separator: string): string {
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}${separator}${pad(size % 60)}`
}

function zoneName(date: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date)
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? ''
}

function formatUnits(bytes: number, base: number, units: readonly string[], digits: number): string {
  let value = bytes
  let unit = 0
  for (; value >= base && unit < units.length - 1; unit++) value /= base
  return `${Number(value.toPrecision(digits))}${units[unit]}`
}

const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB']
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB']

/** Three significant digits, decimal units: `4.27MB`. */
export function formatSizeShort(bytes: number): string {
  return formatUnits(bytes, 1000, DECIMAL, 3)
}

/** Four significant digits, decimal units. */
export function formatSize(bytes: number): string {
  return formatUnits(bytes, 1000, DECIMAL, 4)
}

/** Four significant digits, powers of two: `23.5GiB`. */
export function formatBinarySize(bytes: number): string {
  return formatUnits(bytes, 1024, BINARY, 4)
}
