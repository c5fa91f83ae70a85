import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Catalogue, catalogueOf, discovery } from './kubernetes-discovery.ts'
import type { KubernetesObject } from './kustomize.ts'

/** As much of a Kubernetes API server as kubectl needs to create, apply, delete, wait and watch a rollout. */
export interface KubernetesApi {
  url: string
  /** What was sent and is still there, by `kind/namespace/name`. */
  objects: ReadonlyMap<string, KubernetesObject>
  /** What changed something, in the order in which it came. */
  changes: string[]
  stop(): void
}

interface Call {
  method: string
  query: URLSearchParams
  apiVersion: string
  kind: string
  namespace: string
  name: string | undefined
  sent: string
}

type Answer = [status: number, body: unknown]

/** Every object is at once in the state that its controller brings it to: Jobs complete, Deployments available. */
const STATUS: Record<string, unknown> = {
  Job: { conditions: [{ type: 'Complete', status: 'True' }] },
  Deployment: { observedGeneration: 1, replicas: 9, updatedReplicas: 9, readyReplicas: 9, availableReplicas: 9 },
}

const failure = (code: number, reason: string, message: string): Answer => [
  code,
  { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message },
]
const NOT_FOUND = failure(404, 'NotFound', 'not found')

/** An API server that knows the kinds of these objects and no others, with the namespace `default` alone. */
export async function startKubernetesApi(known: readonly KubernetesObject[]): Promise<KubernetesApi> {
  const catalogue = catalogueOf(known)
  const cluster = new Cluster()
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url!, 'http://x')
    const found = discovery(pathname, catalogue)
    const call = found === undefined ? await callOf(request, pathname, catalogue) : undefined
    if (call?.query.get('watch') === 'true') return watch(response, call, cluster.list(call))
    const [status, body] = call === undefined ? (found === undefined ? NOT_FOUND : [200, found]) : cluster.answer(call)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const stop = () => {
    server.close()
    server.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${port}`, objects: cluster.objects, changes: cluster.changes, stop }
}

async function callOf(request: IncomingMessage, path: string, catalogue: Catalogue): Promise<Call | undefined> {
  const [, apiVersion = '', namespace = '', plural = '', name] =
    /^\/apis?\/(v1|[^/]+\/[^/]+)(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? []
  const kind = catalogue.get(apiVersion)?.get(plural)?.kind
  if (kind === undefined) return undefined
  const { searchParams: query } = new URL(request.url!, 'http://x')
  return { method: request.method!, query, apiVersion, kind, namespace, name, sent: await text(request) }
}

/** What is there, the mark that this is all, and then nothing: nothing changes that somebody waits for. */
function watch(response: ServerResponse, { apiVersion, kind }: Call, items: KubernetesObject[]): void {
  const annotations = { 'k8s.io/initial-events-end': 'true' }
  const mark = { apiVersion, kind, metadata: { resourceVersion: '1', annotations } }
  const events = [...items.map(object => ({ type: 'ADDED', object })), { type: 'BOOKMARK', object: mark }]
  response.writeHead(200, { 'content-type': 'application/json' })
  response.write(events.map(event => `${JSON.stringify(event)}\n`).join(''))
}

class Cluster {
  readonly objects = new Map<string, KubernetesObject>()
  readonly changes: string[] = []
  readonly #namespaces = new Set(['default'])

  answer(call: Call): Answer {
    if (call.kind === 'Namespace') return this.#namespace(call)
    const { method, namespace, kind, name } = call
    if (!this.#namespaces.has(namespace)) return failure(404, 'NotFound', `namespaces "${namespace}" not found`)
    if (method === 'POST') return this.#create(call)
    if (name === undefined) {
      return [
        200,
        { kind: `${kind}List`, apiVersion: 'v1', metadata: { resourceVersion: '1' }, items: this.list(call) },
      ]
    }
    const object = this.objects.get(keyOf(call, name))
    if (object === undefined) return NOT_FOUND
    return method === 'GET' ? [200, object] : this.#change(call, object)
  }

  /** Those that a list or a watch asks for: kubectl does so by name. */
  list(call: Call): KubernetesObject[] {
    const [, wanted = ''] = /metadata\.name=([\w-]+)/.exec(call.query.get('fieldSelector') ?? '') ?? []
    const object = this.objects.get(keyOf(call, wanted))
    return object === undefined ? [] : [object]
  }

  /** kubectl sends one that it creates as protobuf, where a name is bare text. */
  #namespace({ method, name, sent }: Call): Answer {
    const [, created = name ?? ''] = /Namespace[^a-z]+([a-z][a-z0-9-]+)/.exec(sent) ?? []
    if (method !== 'POST' && !this.#namespaces.has(created)) return NOT_FOUND
    if (method === 'POST') this.changes.push(`create Namespace ${created}`)
    this.#namespaces.add(created)
    return [method === 'POST' ? 201 : 200, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: created } }]
  }

  #create(call: Call): Answer {
    const { kind, namespace, sent } = call
    const object = JSON.parse(sent) as KubernetesObject
    const { name } = object.metadata
    const key = keyOf(call, name)
    Object.assign(object.metadata, { namespace, uid: key, resourceVersion: '1', generation: 1 })
    this.objects.set(key, { ...object, ...(kind in STATUS ? { status: STATUS[kind] } : {}) })
    this.changes.push(`create ${kind} ${name}`)
    return [201, this.objects.get(key)]
  }

  #change(call: Call, object: KubernetesObject): Answer {
    const { method, kind, name } = call
    this.changes.push(`${method === 'DELETE' ? 'delete' : 'change'} ${kind} ${name}`)
    if (method === 'DELETE') {
      this.objects.delete(keyOf(call, name!))
      return [200, { kind: 'Status', apiVersion: 'v1', status: 'Success' }]
    }
    // As the real one: what a Job runs cannot be changed.
    return kind === 'Job' ? failure(422, 'Invalid', 'spec.template: field is immutable') : [200, object]
  }
}

const keyOf = ({ kind, namespace }: Call, name: string) => `${kind}/${namespace}/${name}`
