// The page of berth-registry in a browser that we did not write: what it shows, copies and deletes, for whom, and what strangers' texts do there.
import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { MEDIA_TYPE } from '../../src/oci/media-type.ts'
import { openBrowser, type TestBrowser, type Window } from '../harness/browser.ts'
import { eventually, must } from '../harness/command.ts'
import {
  type ConfigParts,
  manifestOf,
  pushBlob,
  pushImage,
  putManifest,
  type RegistryProcess,
  type SmallImage,
  startRegistryProcess,
} from '../harness/our-registry.ts'

let browser: TestBrowser
let directory: string

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'berth-page-'))
  browser = await openBrowser()
})

after(async () => {
  await browser[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

const HTTP = { addr: '127.0.0.1:0', page: { enabled: true } }

function start(parts: ConfigParts = {}): Promise<RegistryProcess> {
  return startRegistryProcess({ http: HTTP, ...parts })
}

const LAYERS = [Buffer.from('a layer'), Buffer.alloc(4_200_000, 1)]

function imageOf(architecture: string, more: object = {}, annotations: object = {}): SmallImage {
  const config = {
    ...{ architecture, os: 'linux', created: '2024-02-03T04:05:06.789Z', author: 'somebody' },
    config: { Entrypoint: ['/bin/sh', '-c'], Cmd: ['true'], Labels: { maintainer: 'us' } },
    rootfs: { type: 'layers', diff_ids: [] },
    history: [
      { created: '2024-02-03T04:05:06Z', created_by: 'ADD rootfs.tar /' },
      { created: '2024-02-03T04:05:06Z', created_by: 'ENV A=B', empty_layer: true },
      { created: '2024-02-03T04:05:06Z', created_by: 'RUN make install' },
    ],
    ...more,
  }
  return manifestOf([Buffer.from(JSON.stringify(config)), ...LAYERS], { annotations })
}

const IMAGE = imageOf('amd64')

/** Nothing was asked of anybody else, nothing went wrong, and the policy was not touched. */
function assertQuiet({ addresses, complaints }: Window, { url }: { url: string }, expected = /status of 40[14]/): void {
  assert.deepEqual(
    addresses.filter((address) => !address.startsWith(`${url}/`)),
    [],
  )
  // A browser writes each answer that is no success to its console, those that are expected, too.
  assert.deepEqual(
    complaints.filter((line) => !expected.test(line)),
    [],
  )
}

test('repositories and tags are listed by the page, and each image is shown with all that belongs to it', async () => {
  await using registry = await start({ catalog: { maxentries: 3 } })
  const { url } = registry
  for (const name of ['a', 'b', 'c/d', 'tools/app']) await pushImage(url, name, 'latest', IMAGE)
  for (let at = 10; at < 38; at++) await putManifest(url, 'tools/app', `v${at}`, IMAGE.bytes)
  const arm = imageOf('arm64')
  await pushImage(url, 'tools/app', 'arm', arm)
  const manifests = [[IMAGE, 'amd64'] as const, [arm, 'arm64'] as const].map(([{ digest, bytes }, architecture]) => ({
    ...{ mediaType: MEDIA_TYPE.ociManifest, digest, size: bytes.length, platform: { os: 'linux', architecture } },
  }))
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }))
  assert.equal((await putManifest(url, 'tools/app', 'all', index, MEDIA_TYPE.ociIndex)).status, 201)
  const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: IMAGE.digest, size: IMAGE.bytes.length }
  const sbom = manifestOf([Buffer.from('{}'), Buffer.from('{"spdxVersion":"SPDX-2.3"}')], {
    ...{ subject, artifactType: 'application/spdx+json' },
  })
  for (const blob of sbom.blobs) await pushBlob(url, 'tools/app', blob)
  await putManifest(url, 'tools/app', sbom.digest, sbom.bytes)
  await pushImage(url, 'tools/app', `${IMAGE.digest.replace(':', '-')}.sig`, manifestOf([Buffer.from('{"signed":1}')]))

  await using window = await browser.open(`${url}/`)
  await window.sees('c/d')
  await window.misses('tools/app')
  await window.screenshot('repositories')
  await window.press('Next page')
  // With the keyboard alone; after that the reader's place is the new heading.
  await pressTab(window, 'tools/app')
  await window.page.keyboard.press('Enter')
  await window.sees('linux/amd64, linux/arm64')
  await window.sees('4.2 MB')
  await window.sees('2024-02-03 04:05 UTC')
  await window.screenshot('tags')
  assert.equal(await window.ask('document.activeElement.tagName'), 'H1')
  assert.equal(await window.ask('document.title'), 'tools/app – Berth registry')
  assert.equal(await window.ask('[...document.querySelectorAll("th")].every(({ scope }) => scope !== "")'), true)
  assert.equal(
    await window.ask('[...document.querySelectorAll("input")].every(({ labels }) => labels.length > 0)'),
    true,
  )
  await window.misses('v37')
  await window.press('Next page')
  await window.sees('v37')
  await window.press('First page')
  await window.press('all')
  await window.sees('Manifests of this index')
  await window.screenshot('index')
  await window.page.goBack()
  await window.press('latest')
  for (const text of ['RUN make install', 'maintainer', '["/bin/sh","-c"]', IMAGE.digest]) await window.sees(text)
  await window.sees('application/spdx+json')
  await window.sees(`tag ${IMAGE.digest.replace(':', '-')}.sig`)
  assert.deepEqual(await tableOf(window, 'History'), [
    ['1', '2024-02-03 04:05 UTC', '7 B', 'ADD rootfs.tar /'],
    ['2', '2024-02-03 04:05 UTC', '—', 'ENV A=B'],
    ['3', '2024-02-03 04:05 UTC', '4.2 MB', 'RUN make install'],
  ])
  await window.screenshot('image')

  await window.page.browserContext().overridePermissions(url, ['clipboard-read', 'clipboard-sanitized-write'])
  const command = `docker pull ${registry.host}/tools/app:latest`
  await window.press(`Copy ${command}`)
  await window.sees('Copied')
  const copied = String(await window.page.evaluate('navigator.clipboard.readText()'))
  assert.equal(copied, command)
  // What is copied names this very image for a client.
  const reference = copied.replace('docker pull ', 'docker://')
  const format = ['--tls-verify=false', '--format', '{{.Digest}}']
  assert.equal(await must(['skopeo', 'inspect', ...format, reference]), IMAGE.digest)
  assertQuiet(window, registry)
})

/** Until the keyboard is at what is called so. */
async function pressTab({ page, sees, ask }: Window, name: string): Promise<void> {
  await sees(name)
  for (let count = 0; count < 50; count++) {
    await page.keyboard.press('Tab')
    if ((await ask<string>('document.activeElement.innerText ?? ""')) === name) return
  }
  throw new Error(`the keyboard never comes to ${name}`)
}

function tableOf(window: Window, caption: string): Promise<string[][]> {
  return window.ask(`[...[...document.querySelectorAll('table')]
    .find((table) => table.caption.textContent === ${JSON.stringify(caption)})
    .tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText))`)
}

const HOSTILE = [
  '<script>globalThis.owned = 1</script>',
  '<img src=x onerror="globalThis.owned = 1">',
  '</td></tr></table><h1>Log in</h1><form action=//example.org><input name=password>',
  '"><svg onload=globalThis.owned=1>',
  '\u202egnp.exe',
] as const

test('what strangers write into labels, annotations, history and names is text', async () => {
  await using registry = await start()
  const [script, image, form, svg, bidi] = HOSTILE
  const texts = Object.fromEntries(HOSTILE.map((text, at) => [`${text} ${at}`, text]))
  const hostile = imageOf(
    script,
    {
      ...{ os: image, created: form, author: svg },
      config: { Labels: { ...texts, long: 'x'.repeat(100_000) }, Cmd: [script], User: image, WorkingDir: form },
      history: [{ created: image, created_by: script, comment: form }],
    },
    texts,
  )
  await pushImage(registry.url, 'bad', 'latest', hostile)
  const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: hostile.digest, size: hostile.bytes.length }
  const referrer = manifestOf([Buffer.from('{}')], { subject, artifactType: svg, annotations: texts })
  await pushImage(registry.url, 'bad', 'referrer', referrer)
  await using window = await browser.open(`${registry.url}/#manifest?name=bad&reference=latest`)
  await window.sees('Annotations')
  for (const text of [script, image, form, svg, bidi.slice(1)]) await window.sees(text)
  await window.sees('96000 more characters')
  await window.sees('Signatures, SBOMs and other referrers')
  await window.screenshot('hostile')
  await assertInert(window)

  await window.page.goto(`${registry.url}/#tags?name=bad`)
  await window.sees('referrer')
  await window.sees(`${image}/${script}`)
  await assertInert(window)
  assertQuiet(window, registry)

  // A registry that is lied to by its own disk, or is another: names that none can be.
  const { page } = window
  await page.setRequestInterception(true)
  page.on('request', (request) => {
    const path = new URL(request.url()).pathname
    const json = (body: object) => request.respond({ contentType: 'application/json', body: JSON.stringify(body) })
    if (path.endsWith('/_catalog')) void json({ repositories: [...HOSTILE, 'javascript:globalThis.owned=1', '../x'] })
    else if (path.endsWith('/tags/list')) void json({ name: 'bad', tags: [...HOSTILE, '../../x'] })
    else void request.continue()
  })
  for (const place of ['#repositories', '#tags?name=bad']) {
    await page.goto(`${registry.url}/${place}`)
    await window.sees(image)
    await window.sees('../')
    assert.equal(await window.ask('document.querySelectorAll("main a").length'), 0)
    await assertInert(window)
  }
  // Whoever sends a link writes its address.
  for (const hash of ['#tags?name=a;reboot', '#manifest?name=a&reference=%24(reboot)', `#${encodeURI(script)}`]) {
    await page.goto(`${registry.url}/${hash}`)
    await window.sees('No such page')
    await assertInert(window)
  }
})

/** No text has become an element, nothing ran. */
async function assertInert(window: Window): Promise<void> {
  const strange = '"main script, main img, main svg, main form, main input, main iframe, [onerror], [onload]"'
  assert.equal(await window.ask(`document.querySelectorAll(${strange}).length`), 0)
  assert.equal(await window.ask('typeof globalThis.owned'), 'undefined')
}

test('the policy lets nothing in that the page itself did not bring', async () => {
  await using registry = await start()
  const digest = await pushBlob(registry.url, 'a', Buffer.from('globalThis.owned = 1'))
  await using window = await browser.open(`${registry.url}/`)
  await window.sees('The registry is empty.')
  // What a debugger evaluates is exempt; what it puts off is the page's own.
  await window.page.evaluate(`(() => {
    globalThis.tried = {}
    globalThis.violations = new Set()
    addEventListener('securitypolicyviolation', (event) => violations.add(event.effectiveDirective))
    const attempt = (name, act) => { try { act(); tried[name] = 'done' } catch (error) { tried[name] = error.name } }
    setTimeout(() => {
      attempt('markup', () => { document.body.innerHTML = '<p>' })
      attempt('evaluation', () => globalThis.eval('globalThis.owned = 1'))
      const blob = document.createElement('script')
      attempt('address', () => { blob.src = 'v2/a/blobs/${digest}' })
      const inline = document.createElement('style')
      inline.append('body { color: red }')
      document.head.append(inline)
      fetch('http://127.0.0.1:1/').catch((error) => { tried.away = error.name })
    })
  })()`)
  await eventually('all is refused', 60_000, () =>
    window.ask<boolean>('violations.size >= 3 && tried.away !== undefined'),
  )
  assert.deepEqual(await window.ask('tried'), {
    ...{ markup: 'TypeError', evaluation: 'EvalError', address: 'TypeError', away: 'TypeError' },
  })
  assert.deepEqual(await window.ask('[...violations].sort()'), [
    ...['connect-src', 'require-trusted-types-for', 'style-src-elem'],
  ])
  assert.equal(await window.ask('typeof globalThis.owned'), 'undefined')
  // Shown by itself a blob is no document, and neither is an answer in a frame.
  const answer = await fetch(`${registry.url}/v2/a/blobs/${digest}`)
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
  assert.match(answer.headers.get('content-security-policy') ?? '', /sandbox/)
})

test('a tag goes after a question, and stays where the answer is no or the registry refuses', async () => {
  const policy = { repository: { immutabletags: [{ tags: ['fixed'] }] } }
  await using registry = await start({ policy })
  for (const tag of ['one', 'two', 'fixed']) await pushImage(registry.url, 'a', tag, IMAGE)
  await pushImage(registry.url, 'a', 'arm', imageOf('arm64'))
  const tags = async () => ((await (await fetch(`${registry.url}/v2/a/tags/list`)).json()) as { tags: string[] }).tags
  await using window = await browser.open(`${registry.url}/#tags?name=a`)
  await window.press('Delete tag one')
  await window.sees('Delete tag one?')
  await window.screenshot('question')
  // The keyboard is at the answer that does nothing.
  assert.equal(await window.ask('document.activeElement.textContent'), 'Cancel')
  await window.page.keyboard.press('Enter')
  await window.misses('Delete tag one?')
  await window.press('Delete tag one')
  await window.sees('Delete tag one?')
  await window.page.keyboard.press('Escape')
  await window.misses('Delete tag one?')
  assert.deepEqual(await tags(), ['arm', 'fixed', 'one', 'two'])

  await window.press('Delete tag one')
  await window.press('Delete')
  await window.sees('Deleted tag one')
  assert.deepEqual(await tags(), ['arm', 'fixed', 'two'])
  await window.press('Delete tag fixed')
  await window.press('Delete')
  await window.sees('Not deleted: tag fixed')
  await window.press('Close')
  await window.press('arm')
  await window.press('Delete this manifest and every tag of it')
  await window.press('Delete')
  await window.sees('Deleted this manifest')
  assert.deepEqual(await tags(), ['fixed', 'two'])
  assertQuiet(window, registry, /status of 40[0-9]/)
})

test('nothing is offered for deletion where the registry deletes nothing', async () => {
  await using registry = await start({ storage: { inmemory: {} } })
  await pushImage(registry.url, 'a', 'one', IMAGE)
  await using window = await browser.open(`${registry.url}/#tags?name=a`)
  await window.sees('linux/amd64')
  assert.equal(await window.ask('document.querySelectorAll("main button").length'), 0)
})

test('a page of another site deletes and pushes nothing', async () => {
  await using registry = await start()
  await pushImage(registry.url, 'a', 'one', IMAGE)
  const other = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<p>other</p>'))
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    // Another site for a browser, though the same machine.
    await using window = await browser.open(`http://localhost:${(other.address() as AddressInfo).port}/`)
    const uploads = `${registry.url}/v2/a/blobs/uploads/`
    const tried = await window.page.evaluate(`(async () => {
      const ask = (address, options) => fetch(address, options).then((answer) => answer.type, (error) => error.name)
      const deletion = await ask('${registry.url}/v2/a/manifests/one', { method: 'DELETE' })
      const upload = await ask('${uploads}', { method: 'POST', mode: 'no-cors', body: 'x' })
      return [deletion, upload].join(' ')
    })()`)
    assert.equal(tried, 'TypeError opaque')
    // The answer is there before the line about it.
    const isRefused = () => /POST url=\/v2\/a\/blobs\/uploads\/ status=403/.test(registry.log())
    await eventually('the refusal is logged', 60_000, isRefused)
    assert.equal((await fetch(`${registry.url}/v2/a/manifests/one`)).status, 200)
    // A client that is no browser is asked for nothing of the kind.
    assert.equal((await fetch(uploads, { method: 'POST' })).status, 202)
  } finally {
    other.close()
  }
})

test('with passwords there is a form, and the password is in no address and gone after logging out', async () => {
  const path = join(directory, 'passwords')
  writeFileSync(path, `alice:${hashSync('sécret', 4)}\n`)
  await using registry = await start({ auth: { htpasswd: { realm: 'ours', path } } })
  const authorization = `Basic ${Buffer.from('alice:sécret').toString('base64')}`
  await pushBlob(registry.url, 'a', Buffer.from('x'), { authorization })
  await using window = await browser.open(`${registry.url}/#tags?name=nothing`)
  await window.sees('authentication required')
  await window.screenshot('login')
  assert.equal(await window.ask('document.activeElement.id'), 'user')
  await window.type('User name', 'alice')
  await window.type('Password', 'wrong')
  await window.page.keyboard.press('Enter')
  await window.sees('incorrect username or password')
  await window.type('Password', 'sécret')
  await window.page.keyboard.press('Enter')
  await window.sees('repository name not known to registry')
  await window.sees('alice')
  await window.press('Berth registry')
  await window.sees('Repositories')
  assert.equal(await window.ask('localStorage.length + sessionStorage.length + document.cookie.length'), 0)
  await window.press('Log out')
  await window.sees('authentication required')
  assertQuiet(window, registry)
})

test('with tokens everybody sees and deletes what the rules let them', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const [key, htpasswd] = [join(directory, 'key.pem'), join(directory, 'users')]
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(htpasswd, ['alice', 'bob'].map((user) => `${user}:${hashSync('secret', 4)}\n`).join(''))
  const tokenservice = {
    ...{ issuer: 'ours', service: 'registry', key, htpasswd },
    access: [
      { users: ['alice'], repositories: ['**'], actions: ['*'], catalog: true },
      { users: ['bob', ''], repositories: ['team/*'], actions: ['pull'] },
    ],
  }
  await using registry = await start({ auth: { token: {} }, tokenservice })
  const { url } = registry
  const basic = `Basic ${Buffer.from('alice:secret').toString('base64')}`
  const scope = `${url}/auth/token?service=registry&scope=repository:team/app:pull,push`
  const { token } = (await (await fetch(scope, { headers: { authorization: basic } })).json()) as { token: string }
  const authorization = `Bearer ${token}`
  for (const blob of IMAGE.blobs) await pushBlob(url, 'team/app', blob, { authorization })
  for (const tag of ['one', 'two']) {
    const headers = { authorization, 'content-type': MEDIA_TYPE.ociManifest }
    const put = await fetch(`${url}/v2/team/app/manifests/${tag}`, { method: 'PUT', headers, body: IMAGE.bytes })
    assert.equal(put.status, 201)
  }
  const logIn = async (window: Window, user: string) => {
    await window.type('User name', user)
    await window.type('Password', 'secret')
    await window.press('Log in')
  }

  await using bob = await browser.open(`${url}/`)
  await bob.sees('authentication required')
  // Without logging in: what everybody may see, and nothing to delete.
  await bob.type('Repository', 'team/app')
  await bob.page.keyboard.press('Enter')
  await bob.sees('linux/amd64')
  assert.equal(await bob.ask('document.querySelectorAll("main button").length'), 0)
  await bob.press('Log in')
  await bob.sees('User name')
  await logIn(bob, 'bob')
  await bob.sees('linux/amd64')
  assert.equal(await bob.ask('document.querySelectorAll("main button").length'), 0)
  await bob.press('Berth registry')
  await bob.sees('You may not list all repositories.')
  assertQuiet(bob, registry)

  await using alice = await browser.open(`${url}/`)
  await alice.sees('authentication required')
  await logIn(alice, 'alice')
  await alice.press('team/app')
  await alice.press('Delete tag one')
  await alice.press('Delete')
  await alice.sees('Deleted tag one')
  await alice.misses('Delete tag one')
  assertQuiet(alice, registry)
})

test('without scripts the page says that it needs them; in the dark it is dark, and it fits a telephone', async () => {
  await using registry = await start()
  await pushImage(registry.url, 'a-repository/with-a-long-name/of-several-parts', 'a-tag-of-some-length', IMAGE)
  await using plain = await browser.open(`${registry.url}/`, { scripts: false })
  assert.match(await plain.page.$eval('main', (main) => String(main.textContent)), /This page needs JavaScript/)
  await using dark = await browser.open(`${registry.url}/`, { width: 390, colors: 'dark' })
  await dark.press('a-repository/with-a-long-name/of-several-parts')
  await dark.sees('linux/amd64')
  await dark.screenshot('dark-tags')
  await dark.press('a-tag-of-some-length')
  await dark.sees('There are no signatures')
  await dark.screenshot('dark-image')
  assert.equal(await dark.ask('getComputedStyle(document.body).backgroundColor'), 'rgb(20, 24, 28)')
  // Wide tables are scrolled in a box of their own.
  assert.equal(await dark.ask('document.documentElement.scrollWidth <= innerWidth'), true)
  assertQuiet(dark, registry)
})
