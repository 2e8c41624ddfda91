// container_*: the control group of each task, as the shims' Stats tell it, under the names that containerd gives it.
import type { DescMessage, Message } from '@bufbuild/protobuf'
import { fromBinary } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { type Metrics as V1, MetricsSchema as V1Schema } from '../../../gen/metrics/cgroups_v1_pb.ts'
import { type Metrics as V2, MetricsSchema as V2Schema } from '../../../gen/metrics/cgroups_v2_pb.ts'
import type { Family, Labels } from '../../../base/metrics/exposition.ts'

/** Empty for a message of neither kind: a shim may count what it likes. */
export function taskFamilies(stats: Any, labels: Labels): Family[] {
  const type = stats.typeUrl.replace(/^.*\//, '')
  const counters =
    type === V1Schema.typeName
      ? v1Counters(fromBinary(V1Schema, stats.value))
      : type === V2Schema.typeName
        ? v2Counters(fromBinary(V2Schema, stats.value))
        : []
  return counters.map(({ name, value, more = {} }) => ({
    name: `container_${name}`,
    help: `${name.replaceAll('_', ' ')} of the container's control group.`,
    type: 'gauge',
    samples: [{ labels: { ...labels, ...more }, value: Number(value) }],
  }))
}

interface Counter {
  name: string
  value: bigint | number
  more?: Labels
}

function v1Counters({ pids, cpu, memory, blkio, hugetlb, memoryOomControl }: V1): Counter[] {
  const { usage, throttling } = cpu ?? {}
  return [
    ...numbers('pids', { current: pids?.current, limit: pids?.limit }),
    ...numbers('cpu', {
      total_nanoseconds: usage?.total,
      kernel_nanoseconds: usage?.kernel,
      user_nanoseconds: usage?.user,
      throttle_periods_total: throttling?.periods,
      throttled_periods_total: throttling?.throttledPeriods,
      throttled_time_nanoseconds: throttling?.throttledTime,
    }),
    ...(usage?.perCpu ?? []).map((value, cpuIndex) => ({
      ...{ name: 'per_cpu_nanoseconds', value },
      more: { cpu: String(cpuIndex) },
    })),
    ...(memory === undefined ? [] : v1Memory(memory)),
    ...(blkio === undefined ? [] : v1BlockIo(blkio)),
    ...hugetlb.flatMap(({ pagesize, usage: used, max, failcnt }) =>
      numbers('hugetlb', { usage_bytes: used, max_bytes: max, failcnt_total: failcnt }, { page: pagesize }),
    ),
    ...numbers('memory', { oom_total: memoryOomControl?.oomKill }),
  ]
}

function v1Memory(memory: NonNullable<V1['memory']>): Counter[] {
  const entries = { usage: memory.usage, swap: memory.swap, kernel: memory.kernel, kerneltcp: memory.kernelTcp }
  return [
    ...scalars(memory).map(({ name, value }) => ({
      name: `memory_${name.replace(/pg_.*/, (found) => found.replaceAll('_', '')).replace('cal_swap_', 'cal_memsw_')}_bytes`,
      value,
    })),
    ...Object.entries(entries).flatMap(([kind, entry]) =>
      numbers(`memory_${kind}`, {
        usage_bytes: entry?.usage,
        limit_bytes: entry?.limit,
        max_bytes: entry?.max,
        failcnt_total: entry?.failcnt,
      }),
    ),
  ]
}

function v1BlockIo(blkio: NonNullable<V1['blkio']>): Counter[] {
  const lists = {
    io_service_bytes_recursive_bytes: blkio.ioServiceBytesRecursive,
    io_serviced_recursive_total: blkio.ioServicedRecursive,
    io_queued_recursive_total: blkio.ioQueuedRecursive,
    io_service_time_recursive_total: blkio.ioServiceTimeRecursive,
    io_merged_recursive_total: blkio.ioMergedRecursive,
    io_time_recursive_total: blkio.ioTimeRecursive,
    sectors_recursive_total: blkio.sectorsRecursive,
  }
  return Object.entries(lists).flatMap(([name, list]) =>
    list.map(({ op, device, major, minor, value }) => ({
      ...{ name: `blkio_${name}`, value },
      more: { op, device, major: String(major), minor: String(minor) },
    })),
  )
}

function v2Counters({ pids, cpu, memory, memoryEvents, io, hugetlb }: V2): Counter[] {
  return [
    ...numbers('pids', { current: pids?.current, limit: pids?.limit }),
    ...numbers('cpu', {
      usage_usec_microseconds: cpu?.usageUsec,
      user_usec_microseconds: cpu?.userUsec,
      system_usec_microseconds: cpu?.systemUsec,
      nr_periods_total: cpu?.nrPeriods,
      nr_throttled_total: cpu?.nrThrottled,
      throttled_usec_microseconds: cpu?.throttledUsec,
    }),
    ...(memory === undefined ? [] : scalars(memory)).map(({ name, value }) => ({
      name: `memory_${name}_bytes`,
      value,
    })),
    ...numbers('memory', { oom_total: memoryEvents?.oom }),
    ...(io?.usage ?? []).flatMap(({ major, minor, rbytes, wbytes, rios, wios }) =>
      numbers(
        'io',
        { rbytes_bytes: rbytes, wbytes_bytes: wbytes, rios_total: rios, wios_total: wios },
        { major: String(major), minor: String(minor) },
      ),
    ),
    ...hugetlb.flatMap(({ pagesize, current, max, failcnt }) =>
      numbers('hugetlb', { usage_bytes: current, max_bytes: max, failcnt_total: failcnt }, { page: pagesize }),
    ),
  ]
}

/** Those that are there. */
function numbers(prefix: string, values: Record<string, bigint | undefined>, more: Labels = {}): Counter[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name: `${prefix}_${name}`, value, more }],
  )
}

/** Every number of the message itself, by its name in the .proto file. */
function scalars(message: Message): { name: string; value: bigint | number }[] {
  const schema = SCHEMAS.get(message.$typeName)
  const values = message as unknown as Record<string, unknown>
  return (schema?.fields ?? []).flatMap(({ name, localName, fieldKind }) => {
    const value = values[localName]
    return fieldKind === 'scalar' && (typeof value === 'bigint' || typeof value === 'number') ? [{ name, value }] : []
  })
}

const SCHEMAS = new Map<string, DescMessage>(
  [V1Schema, V2Schema].flatMap((schema) =>
    schema.file.messages.map((message): [string, DescMessage] => [message.typeName, message]),
  ),
)
