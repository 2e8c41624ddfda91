#!/usr/bin/env node
// berthd: the engine.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runDaemon } from '../src/engine/run-daemon.ts'

process.title = 'berthd'
const here = import.meta.dirname
process.exitCode = await runDaemon({
  argv: process.argv.slice(2),
  containerdCommand: [process.execPath, ...process.execArgv, join(here, 'berth-containerd.js')],
  shimPath: [process.env['BERTH_SHIM'] ?? '', join(here, '../bin/berth-shim'), join(here, '../../bin/berth-shim')].find(
    existsSync,
  ),
})
process.exit()
