#!/usr/bin/env node
// containerd-shim-berth-v2: started by containerd for `--runtime io.containerd.berth.v2`.
import { runShim } from '../src/shim-v2/main.ts'

process.exit(await runShim(process.argv.slice(2), process.env))
