// What the suites need from elsewhere, fetched and built while the network is there.
//   node build/js/test/conformance/prepare.js [SUITE]
import { suitesNamed } from './suites.ts'

for (const suite of suitesNamed(process.argv[2])) await suite.prepare()
