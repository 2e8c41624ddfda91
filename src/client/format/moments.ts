// Ages and sizes as the Docker client prints them (docker/go-units).

/** `Less than a second`, `5 seconds`, `About a minute`, `3 hours`, `2 weeks`… */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  if (seconds < 60) return `${seconds} seconds`
  const minutes = Math.floor(seconds / 60)
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  const hours = Math.round(seconds / 3600)
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`
  return `${Math.floor(hours / 24 / 365)} years`
}

/** `3 minutes ago`, from seconds since the epoch. */
export function formatAge(epochSeconds: number, nowMs = Date.now()): string {
  return epochSeconds <= 0 ? 'N/A' : `${formatDuration(nowMs - epochSeconds * 1000)} ago`
}

/** Three significant digits, decimal units: `4.27MB`. */
export function formatSizeShort(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes
  let unit = 0
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return `${Number(value.toPrecision(3))}${units[unit]}`
}
