// The thread that mounts one file system, for as long as that takes. Mounts are the process's, whichever thread makes them.
import { parentPort, workerData } from 'node:worker_threads'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { type MountJob, runMountJob } from './mount-file-system.ts'

parentPort?.postMessage(runMountJob(openNativeKernel(), workerData as MountJob))
