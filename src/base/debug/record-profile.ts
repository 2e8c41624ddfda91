// Where the processor's time goes, and who holds memory, over a while: V8's own samplers.
import { Session } from 'node:inspector/promises'
import type { HeapProfiler, Profiler } from 'node:inspector'
import { Failure } from '../failure.ts'

let isRecording = false

/** One at a time: throws `failed-precondition` while another is recorded. Costs nothing before and after. */
export function recordCpuProfile(seconds: number): Promise<Profiler.Profile> {
  return record(async (session) => {
    await session.post('Profiler.enable')
    await session.post('Profiler.start')
    await pause(seconds)
    return (await session.post('Profiler.stop')).profile
  })
}

/** A sample for about each so many bytes. */
export const HEAP_INTERVAL_BYTES = 32 * 1024

/** What is allocated in that time and still in use at its end. The same rules. */
export function recordHeapProfile(seconds: number): Promise<HeapProfiler.SamplingHeapProfile> {
  return record(async (session) => {
    await session.post('HeapProfiler.startSampling', { samplingInterval: HEAP_INTERVAL_BYTES })
    await pause(seconds)
    return (await session.post('HeapProfiler.stopSampling')).profile
  })
}

async function record<T>(work: (session: Session) => Promise<T>): Promise<T> {
  if (isRecording)
    throw new Failure('failed-precondition', 'Could not enable CPU profiling: cpu profiling already in use')
  isRecording = true
  const session = new Session()
  session.connect()
  try {
    return await work(session)
  } finally {
    session.disconnect()
    isRecording = false
  }
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}
