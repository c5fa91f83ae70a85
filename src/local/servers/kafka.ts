import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommand } from './command.ts'
import { LocalStackError, reasonOf } from './errors.ts'
import { findJava, requireMaven } from './java.ts'
import { type LocalContext, type LocalServer, localServer } from './local-server.ts'
import { runMaven } from './packages.ts'
import { ServerProcess } from './server-process.ts'
import { cachedFolder } from './user-cache.ts'
import { serverFolder } from './workspace.ts'

const VERSION = '4.3.1'
const POM = fileURLToPath(new URL('../../../docker/kafka/pom.xml', import.meta.url))
const COPY_JARS = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
/** 22 characters of base64: any UUID does, there is one node. */
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk'

const LOGGING = `appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %m (%c{1})%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
`

export interface KafkaServerOptions {
  /** Beside its own two. */
  ports?: number
  /** Arguments for formatting its storage. */
  format?: readonly string[]
  /** After our own properties, which they overrule. */
  properties?: (ports: { plain: number; controller: number; own: readonly number[] }) => string
}

/**
 * One real Apache Kafka in KRaft mode on loopback: from `KAFKA_HOME`, else jars that Maven fetches once into the user
 * cache. Gives `KAFKA_BROKERS`. Topics are not made by themselves. `start` rejects with `KAFKA_MISSING` where it
 * cannot be had.
 */
export function kafkaServer(
  context: LocalContext,
  { ports = 0, format = [], properties = () => '' }: KafkaServerOptions = {},
): LocalServer {
  const { env, folder, keep } = context
  const home = join(folder, 'kafka')
  const data = join(home, 'data')
  const propertiesFile = join(home, 'server.properties')
  const logging = join(home, 'log4j2.properties')
  let java = ''
  let classPath = ''

  return localServer(context, {
    name: 'Apache Kafka',
    ports: 2 + ports,
    stopSignal: 'SIGTERM',
    stopDeadlineMs: 5000,
    prepare: async () => {
      serverFolder(folder, 'kafka')
      writeFileSync(logging, LOGGING)
      java = await findJava(context)
      const libs = await findJars(context)
      classPath = join(libs, '*')
      const formatTo = (folder: string) => formatStorage(context, { java, classPath, logging, folder, format })
      if (env.KAFKA_HOME || format.length > 0) return formatTo(data)
      // Formatting costs a Java start and is the same every time, whatever the ports will be.
      const formatted = await cachedFolder(env, `kafka-${VERSION}-formatted`, formatTo)
      cpSync(formatted, data, { recursive: true })
    },
    launch: ([port = 0, controllerPort = 0, ...own]) => {
      const others = properties({ plain: port, controller: controllerPort, own })
      writeFileSync(propertiesFile, serverProperties(data, port, controllerPort) + others)
      const heap = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
      return ServerProcess.start({
        name: 'Apache Kafka',
        file: java,
        args: [...heap, `-Dlog4j2.configurationFile=${logging}`, '-cp', classPath, 'kafka.Kafka', propertiesFile],
        env,
        cwd: home,
        logFile: join(folder, 'kafka.log'),
        readyPattern: /Kafka Server started/,
        readyTimeoutMs: 60_000,
        deathSignal: 'KILL',
        keep,
      })
    },
    variables: ([port]) => ({ KAFKA_BROKERS: `127.0.0.1:${port}` }),
  })
}

async function findJars(context: LocalContext): Promise<string> {
  const { KAFKA_HOME } = context.env
  if (KAFKA_HOME) {
    const libs = join(KAFKA_HOME, 'libs')
    if (existsSync(libs)) return libs
    throw new LocalStackError('KAFKA_MISSING', 'no Kafka: KAFKA_HOME names a folder without libs/')
  }
  return cachedFolder(context.env, `kafka-${VERSION}`, async draft => {
    await requireMaven(context)
    const args = ['-f', POM, COPY_JARS, '-DincludeScope=runtime', `-DoutputDirectory=${draft}`]
    await runMaven(context, `Fetching Apache Kafka ${VERSION} (44 MB, once)`, args).catch(error => {
      const remedy = 'set KAFKA_HOME to an unpacked Apache Kafka, or KAFKA_BROKERS'
      throw new LocalStackError('KAFKA_MISSING', `no Kafka: ${reasonOf(error)}; ${remedy}`, { cause: error })
    })
  })
}

interface Formatting {
  java: string
  classPath: string
  logging: string
  folder: string
  format: readonly string[]
}

/** Writes the identity of the broker and its first metadata into an empty data folder. */
async function formatStorage(
  context: LocalContext,
  { java, classPath, logging, folder, format: wanted }: Formatting,
): Promise<void> {
  const properties = join(context.folder, 'kafka', 'format.properties')
  mkdirSync(folder, { recursive: true })
  writeFileSync(properties, serverProperties(folder, 1, 2))
  const format = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', properties, ...wanted]
  const args = ['-XX:TieredStopAtLevel=1', `-Dlog4j2.configurationFile=${logging}`, '-cp', classPath, ...format]
  await runCommand(java, args, { env: context.env }).catch(explainOldJava)
}

function explainOldJava(error: unknown): never {
  if (!reasonOf(error).includes('UnsupportedClassVersionError')) throw error
  throw new LocalStackError('KAFKA_MISSING', 'no Kafka: this Java is too old, install Java 17 or newer', {
    cause: error,
  })
}

/** A broker that is its own controller, and that comes back within seconds when it was killed. */
function serverProperties(data: string, port: number, controllerPort: number): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
log.dirs=${data}
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
controlled.shutdown.enable=false
`
}
