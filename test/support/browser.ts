import { createRequire } from 'node:module'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { PASSWORDS } from './admin-client.ts'
import { chromiumPath } from './chromium.ts'

const require = createRequire(import.meta.url)

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export const WIDTHS = { desktop: { width: 1280, height: 900 }, phone: { width: 375, height: 800 } } as const
export const SCHEMES = ['light', 'dark'] as const

export async function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: await chromiumPath(), args: ARGUMENTS })
}

/** A browser window of its own that keeps what went wrong in it. */
export class Visitor {
  readonly page: Page
  readonly context: BrowserContext
  readonly #url: string
  /** Errors of the console and of scripts, refused resources, and requests to anywhere else. */
  readonly faults: string[] = []

  private constructor(context: BrowserContext, page: Page, url: string) {
    this.context = context
    this.page = page
    this.#url = url
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') this.faults.push(message.text())
    })
    page.on('pageerror', error => this.faults.push(String(error)))
    page.on('request', request => {
      if (!request.url().startsWith(url) && !request.url().startsWith('data:')) {
        this.faults.push(`asked elsewhere: ${request.url()}`)
      }
    })
  }

  static async open(
    browser: Browser,
    url: string,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<Visitor> {
    const context = await browser.newContext({ viewport: WIDTHS.desktop, ...options })
    return new Visitor(context, await context.newPage(), url)
  }

  async login(user: keyof typeof PASSWORDS, next = '/'): Promise<void> {
    await this.page.goto(`${this.#url}/login?next=${encodeURIComponent(next)}`)
    await this.page.getByLabel('User').fill(user)
    await this.page.getByLabel('Password').fill(PASSWORDS[user])
    await this.page.getByRole('button', { name: 'Log in' }).click()
    await this.page.waitForURL(`${this.#url}${next}`)
  }

  async goto(path: string): Promise<void> {
    await this.page.goto(`${this.#url}${path}`)
  }

  /** What axe-core finds that is serious or worse. */
  async seriousFaults(): Promise<string[]> {
    // Evaluated in the page's own world, past its policy, which lets no script of ours in.
    const source = await import('node:fs/promises').then(({ readFile }) =>
      readFile(require.resolve('axe-core'), 'utf8'),
    )
    await this.page.evaluate(source)
    return this.page.evaluate(async () => {
      const { axe } = globalThis as unknown as {
        axe: { run(): Promise<{ violations: { impact: string; id: string; nodes: { html: string }[] }[] }> }
      }
      const { violations } = await axe.run()
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`))
    })
  }

  /** Does the page fit its window, or must one scroll sideways? */
  overflow(): Promise<number> {
    return this.page.evaluate(() => {
      const { scrollWidth, clientWidth } = (
        globalThis as unknown as { document: { documentElement: { scrollWidth: number; clientWidth: number } } }
      ).document.documentElement
      return scrollWidth - clientWidth
    })
  }

  async close(): Promise<void> {
    await this.context.close()
  }
}
