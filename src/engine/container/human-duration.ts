// Durations as people say them, in the words of `docker ps`.

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** The first row whose limit is above the seconds. */
const PHRASES: readonly { below: number; say: (seconds: number) => string }[] = [
  { below: 1, say: () => 'Less than a second' },
  { below: 2, say: () => '1 second' },
  { below: MINUTE, say: (s) => `${Math.floor(s)} seconds` },
  { below: 2 * MINUTE, say: () => 'About a minute' },
  { below: HOUR, say: (s) => `${Math.floor(s / MINUTE)} minutes` },
  { below: 1.5 * HOUR, say: () => 'About an hour' },
  { below: 47.5 * HOUR, say: (s) => `${roundedHours(s)} hours` },
  { below: 14 * DAY - HOUR / 2, say: (s) => `${Math.floor(roundedHours(s) / 24)} days` },
  { below: 60 * DAY - HOUR / 2, say: (s) => `${Math.floor(roundedHours(s) / 24 / 7)} weeks` },
  { below: 730 * DAY - HOUR / 2, say: (s) => `${Math.floor(roundedHours(s) / 24 / 30)} months` },
]

export function humanDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000
  const phrase = PHRASES.find(({ below }) => seconds < below)
  return phrase ? phrase.say(seconds) : `${Math.floor(seconds / DAY / 365)} years`
}

function roundedHours(seconds: number): number {
  return Math.floor(seconds / HOUR + 0.5)
}
