// `notifications`, with the original's keys.
import type { EndpointSettings } from '../notifications/notifier.ts'
import type { Section } from './section.ts'

const TIMEOUT_MS = 3000
const THRESHOLD = 5
const BACKOFF_MS = 1000

/** Those that are not disabled. */
export function parseNotifications(notifications: Section): EndpointSettings[] {
  notifications.section('events').ignore('includereferences') // it only makes the original's events longer
  return notifications.sections('endpoints').flatMap((endpoint) => {
    const isDisabled = endpoint.flag('disabled') ?? false
    const settings = parseEndpoint(endpoint)
    return isDisabled ? [] : [settings]
  })
}

function parseEndpoint(endpoint: Section): EndpointSettings {
  const ignore = endpoint.section('ignore')
  const url = endpoint.requiredText('url')
  if (!/^https?:/.test(url) || !URL.canParse(url)) throw endpoint.wrong('url', 'an http or https address')
  return {
    ...{ name: endpoint.requiredText('name'), url, headers: endpoint.textLists('headers') },
    timeoutMs: endpoint.duration('timeout') ?? TIMEOUT_MS,
    threshold: endpoint.count('threshold') ?? THRESHOLD,
    backoffMs: endpoint.duration('backoff') ?? BACKOFF_MS,
    ignoredMediaTypes: [...endpoint.texts('ignoredmediatypes'), ...ignore.texts('mediatypes')],
    ignoredActions: ignore.texts('actions'),
  }
}
