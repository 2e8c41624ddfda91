import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createSocketServer } from 'node:net'
import { test } from 'node:test'
import { sendRequest } from './http-request.ts'
import { openTunnel, proxyFor } from './proxy.ts'

test('which proxy a request goes through is decided as by Go', () => {
  const env = {
    HTTP_PROXY: 'http://plain:1',
    https_proxy: 'secure:2',
    NO_PROXY: 'exact.example, .below.example,10.0.0.0/8,192.0.2.1,[2001:db8::1]:443,port.example:444',
  }
  const table: [url: string, proxy: string | undefined][] = [
    ['http://a.example/', 'http://plain:1/'],
    ['https://a.example/', 'http://secure:2/'],
    ['https://exact.example/', undefined],
    ['https://www.exact.example/', undefined],
    ['https://inexact.example/', 'http://secure:2/'],
    ['https://below.example/', 'http://secure:2/'],
    ['https://x.below.example/', undefined],
    ['https://10.1.2.3/', undefined],
    ['https://11.1.2.3/', 'http://secure:2/'],
    ['https://192.0.2.1:5000/', undefined],
    ['https://[2001:db8::1]/', undefined],
    ['https://[2001:db8::2]/', 'http://secure:2/'],
    ['https://port.example:444/', undefined],
    ['https://port.example/', 'http://secure:2/'],
    ['http://localhost:5000/', undefined],
    ['http://127.0.0.1:5000/', undefined],
    ['http://[::1]:5000/', undefined],
  ]
  for (const [url, proxy] of table) assert.equal(proxyFor(new URL(url), env)?.href, proxy, url)
  assert.equal(proxyFor(new URL('http://a/'), { ...env, NO_PROXY: '*' }), undefined)
  assert.equal(proxyFor(new URL('http://a/'), {}), undefined)
  assert.throws(
    () => proxyFor(new URL('http://a/'), { HTTP_PROXY: 'socks5://u:p@x' }),
    /invalid proxy address "socks5:\/\/xxxxx:xxxxx@x"/,
  )
})

test('a plain request names the whole address to the proxy, with its credentials', async () => {
  const seen: string[] = []
  const proxy = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers['proxy-authorization']}`)
    response.end('from the proxy')
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { HTTP_PROXY } = process.env
  process.env['HTTP_PROXY'] = `http://user:word@127.0.0.1:${(proxy.address() as AddressInfo).port}`
  try {
    const url = new URL('http://registry.invalid/v2/x')
    const response = await sendRequest({
      method: 'GET',
      url,
      headers: {},
      insecure: true,
      signal: AbortSignal.timeout(20_000),
    })
    assert.equal(String(Buffer.concat(await response.toArray())), 'from the proxy')
    assert.deepEqual(seen, ['GET http://registry.invalid/v2/x registry.invalid Basic dXNlcjp3b3Jk'])
  } finally {
    if (HTTP_PROXY === undefined) delete process.env['HTTP_PROXY']
    else process.env['HTTP_PROXY'] = HTTP_PROXY
    proxy.close().closeAllConnections()
  }
})

test('a tunnel carries bytes both ways; a refusal is told', async () => {
  const echo = createSocketServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const proxy = createServer().listen(0, '127.0.0.1')
  proxy.on('connect', (request, socket) => {
    if (request.url?.startsWith('refused')) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    const far = connect((echo.address() as AddressInfo).port, '127.0.0.1')
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    socket.pipe(far).pipe(socket)
  })
  await once(proxy, 'listening')
  const address = new URL(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`)
  const signal = AbortSignal.timeout(20_000)
  try {
    const tunnel = await openTunnel(address, new URL('https://far.invalid/'), signal)
    tunnel.write('there and back')
    const [bytes] = (await once(tunnel, 'data')) as [Buffer]
    assert.equal(String(bytes), 'there and back')
    tunnel.destroy()
    await assert.rejects(openTunnel(address, new URL('https://refused.invalid/'), signal), /403 Forbidden/)
  } finally {
    echo.close()
    proxy.close().closeAllConnections()
  }
})
