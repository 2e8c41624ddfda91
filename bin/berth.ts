#!/usr/bin/env node
// berth: the client.
import { main } from '../src/client/main.ts'

// Everything has been written when main ends; open sockets must not keep the program alive.
process.exit(await main(process.argv.slice(2), process.env))
