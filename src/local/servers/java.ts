import { join } from 'node:path'
import { LocalStackError, reasonOf } from './errors.ts'
import { findExecutable, isExecutable } from './executables.ts'
import type { LocalContext } from './local-server.ts'
import { aptInstall, hasApt } from './packages.ts'

/** Kafka wants Java 17 or newer; releases of Debian and Ubuntu carry different ones. */
const JAVA_PACKAGES = ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'default-jre-headless']

/** `java` of JAVA_HOME or the PATH, else installed by apt as root. Rejects with `KAFKA_MISSING`. */
export async function findJava(context: LocalContext): Promise<string> {
  const found = installedJava(context)
  if (found !== undefined) return found
  const failure = hasApt(context) ? await installAny(context, JAVA_PACKAGES) : undefined
  const java = installedJava(context)
  if (java !== undefined) return java
  throw missing(failure, 'install Java 17 or newer, or set KAFKA_BROKERS')
}

function installedJava({ env }: LocalContext): string | undefined {
  const ofHome = env.JAVA_HOME ? join(env.JAVA_HOME, 'bin', 'java') : undefined
  return ofHome !== undefined && isExecutable(ofHome) ? ofHome : findExecutable(env, 'java')
}

/** Makes sure that `mvn` is on the PATH, by apt as root. Rejects with `KAFKA_MISSING`. */
export async function requireMaven(context: LocalContext): Promise<void> {
  if (findExecutable(context.env, 'mvn') !== undefined) return
  const failure = hasApt(context) ? await installAny(context, ['maven']) : undefined
  if (findExecutable(context.env, 'mvn') !== undefined) return
  throw missing(failure, 'install Maven, or set KAFKA_HOME to an unpacked Apache Kafka, or KAFKA_BROKERS')
}

/** Installs the first of the packages that can be; otherwise resolves to why the first could not. */
async function installAny(context: LocalContext, packages: readonly string[]): Promise<string | undefined> {
  const failures: string[] = []
  for (const name of packages) {
    try {
      await aptInstall(context, name)
      return undefined
    } catch (error) {
      failures.push(reasonOf(error))
    }
  }
  return failures[0]
}

function missing(failure: string | undefined, remedy: string): LocalStackError {
  return new LocalStackError('KAFKA_MISSING', `no Kafka: ${failure === undefined ? '' : `${failure}; `}${remedy}`)
}
