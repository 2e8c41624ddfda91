// The thread of native-thread.test.ts: native calls without end, each bound anew.
import { parentPort } from 'node:worker_threads'
import { libcFunction } from './libc.ts'

libcFunction('getpid')()
parentPort?.postMessage('runs')
for (;;) libcFunction('getpid', 'str', 'ptr', 'int')('x', null, 1)
