// Debian's Chromium, driven as somebody would who looks at a page: by what can be read, clicked and typed.
import { existsSync } from 'node:fs'
import puppeteer, { type Browser, type BrowserContext, type Page } from 'puppeteer-core'

const PROGRAM = '/usr/bin/chromium'
/** Of whatever is waited for: other programs have the machine, too. */
const LIMIT_MS = 60_000

export interface TestBrowser extends AsyncDisposable {
  /** A window of its own, with no memory of others. */
  open(address: string, look?: Look): Promise<Window>
}

export interface Look {
  width?: number
  colors?: 'light' | 'dark'
  scripts?: boolean
}

export interface Window extends AsyncDisposable {
  page: Page
  /** Every address that was asked for, the browser's own and the page's. */
  addresses: string[]
  /** What its console shows, and exceptions that nobody caught. */
  complaints: string[]
  /** Waits for a text in the page. */
  sees(text: string): Promise<void>
  /** Waits until there is no such text. */
  misses(text: string): Promise<void>
  /** A button or a link by its name, as a screen reader tells it. */
  press(name: string): Promise<void>
  type(label: string, text: string): Promise<void>
  /** Of a script in the page, as JSON. */
  ask<T>(script: string): Promise<T>
  /** For people, where BERTH_SCREENSHOTS names a directory. */
  screenshot(name: string): Promise<void>
}

export async function openBrowser(): Promise<TestBrowser> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: the Debian package is chromium`)
  const browser = await puppeteer.launch({
    executablePath: PROGRAM,
    // Root has no sandbox in Chromium; what it shows here are our own pages, in a network namespace without a way out.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    timeout: LIMIT_MS,
    protocolTimeout: 2 * LIMIT_MS,
  })
  return {
    open: (address, look = {}) => openWindow(browser, address, look),
    [Symbol.asyncDispose]: () => browser.close(),
  }
}

async function openWindow(browser: Browser, address: string, look: Look): Promise<Window> {
  const context = await browser.createBrowserContext()
  const page = await context.newPage()
  page.setDefaultTimeout(LIMIT_MS)
  const { width = 1200, colors = 'light', scripts = true } = look
  await page.setViewport({ width, height: 800 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: colors }])
  await page.setJavaScriptEnabled(scripts)
  const window = windowOf(context, page)
  await page.goto(address, { waitUntil: 'load' })
  return window
}

function windowOf(context: BrowserContext, page: Page): Window {
  const [addresses, complaints]: [string[], string[]] = [[], []]
  page.on('request', (request) => addresses.push(request.url()))
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => complaints.push(`exception: ${String(error)}`))
  const hasText = (text: string) => `document.body.innerText.includes(${JSON.stringify(text)})`
  return {
    ...{ page, addresses, complaints },
    async sees(text) {
      await page.waitForFunction(hasText(text)).catch(async () => {
        throw new Error(`never seen: ${text}\n${String(await page.evaluate('document.body.innerText'))}`)
      })
    },
    async misses(text) {
      await page.waitForFunction(`!${hasText(text)}`)
    },
    async press(name) {
      const found = page.locator(
        ['button', 'link'].map((role) => `::-p-aria([name="${name}"][role="${role}"])`).join(', '),
      )
      // What is still being filled in moves, and the click would go where it has been.
      await found.wait()
      await page.waitForFunction('document.querySelector("[aria-busy]") === null')
      await found.click()
    },
    async type(label, text) {
      await page.locator(`::-p-aria([name="${label}"][role="textbox"])`).fill(text)
    },
    ask: async <T>(script: string) => JSON.parse(String(await page.evaluate(`JSON.stringify(${script})`))) as T,
    async screenshot(name) {
      const directory = process.env['BERTH_SCREENSHOTS']
      if (directory !== undefined) await page.screenshot({ path: `${directory}/${name}.png`, fullPage: true })
    },
    [Symbol.asyncDispose]: () => context.close(),
  }
}
