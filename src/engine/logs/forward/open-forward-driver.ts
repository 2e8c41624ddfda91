// The forwarding drivers by name.
import type { Kernel } from '../../../linux/kernel.ts'
import { invalid } from '../go-values.ts'
import type { LoggedContainer } from '../log-info.ts'
import { openFluentd } from './fluentd.ts'
import type { ForwardDriver } from './forward-driver.ts'
import { openGelf } from './gelf.ts'
import { openJournald } from './journald.ts'
import { openSyslog } from './syslog.ts'

const DRIVERS: Readonly<Record<string, (kernel: Kernel, record: LoggedContainer) => ForwardDriver>> = {
  fluentd: openFluentd,
  gelf: openGelf,
  journald: openJournald,
  syslog: openSyslog,
}

/** Throws invalid-argument in Docker's words. */
export function openForwardDriver(kernel: Kernel, record: LoggedContainer): ForwardDriver {
  const name = record.hostConfig.LogConfig?.Type ?? ''
  const open = DRIVERS[name]
  if (open === undefined) throw invalid(`logger: no log driver named '${name}' is registered`)
  return open(kernel, record)
}
