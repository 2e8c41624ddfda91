// Which of a container's files its log is read from, and whether it may be.
import { Failure } from '../../base/failure.ts'
import type { Container } from '../container/container.ts'
import { isForwarding, isReadingDisabled } from './log-drivers.ts'
import { logOptions } from './log-info.ts'
import { type LogPlace, logPlace } from './log-settings.ts'

/** Throws unimplemented where nothing is logged, or where the local copy of what is forwarded is not for reading. */
export function requireReadable({ record, directory }: Container): LogPlace {
  const place = logPlace(record, directory)
  const isHidden = isForwarding(record.hostConfig.LogConfig?.Type ?? '') && isReadingDisabled(logOptions(record))
  if (place === undefined || isHidden)
    throw new Failure('unimplemented', 'configured logging driver does not support reading')
  return place
}
