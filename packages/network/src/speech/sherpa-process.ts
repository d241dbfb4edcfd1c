// A model of sherpa-onnx as its owner sees it: a service whose computing is done in a process of its own.
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { deferred, type Clock, type Log } from '@saperly/kernel'
import { writeMessage } from '../media/messages.ts'
import { RestartLimit } from '../media/restart-limit.ts'
import { SpeechLink } from '../media/speech-link.ts'
import { builtFile } from '../media/thread.ts'
import type { SpeechService } from './port.ts'
import { createRemoteSpeech } from './remote.ts'
import type { SherpaModel } from './sherpa-manifest.ts'
import { SHERPA_PACKAGE } from './sherpa-module.ts'
import { ChannelPort, type FromSherpa, type ToSherpa } from './sherpa-messages.ts'

const ENTRY = new URL('./sherpa-child.ts', import.meta.url)
/** How long a model may take to be read and to do its work once. */
const TRIAL_LIMIT_MS = 120_000

interface SherpaDeps {
  clock: Clock
  log: Log
  /** In place of the npm package, for tests. */
  module?: string
}

/** One life of the process. */
interface Life {
  child: ChildProcess
  service: SpeechService
}

/**
 * Starts the process. What is asked before the model is in memory waits. When the process dies, what was under way ends
 * with a fault, and others of the configuration take its place until it is back.
 */
export function startSherpa(name: string, model: SherpaModel, deps: SherpaDeps): SpeechService {
  const { clock, log, module = SHERPA_PACKAGE } = deps
  const restarts = new RestartLimit(clock)
  let closed = false
  const onReady = (): void => log.info('speech.model_ready', { engine: name })
  let life = start(model, { log, module, onReady })
  const link = new SpeechLink(life.service, 'free')
  const onExit = (): void => {
    if (closed) return
    log.error('speech.model_crashed', { engine: name })
    if (!restarts.allows()) return void life.service.close()
    life = start(model, { log, module, onReady })
    life.child.once('exit', onExit)
    void link.replace(life.service)
  }
  life.child.once('exit', onExit)
  return {
    openEars: (options) => link.openEars(options),
    mouth: link.mouth,
    close: async () => {
      closed = true
      await link.close()
      await stop(life.child)
    },
  }
}

/** Loads a model and lets it do its work once; null when it can be used, else a short word for the way it failed. */
export async function trySherpa(
  model: SherpaModel,
  { clock, log, module = SHERPA_PACKAGE }: SherpaDeps,
): Promise<string | null> {
  const outcome = deferred<string | null>()
  const { child } = start(model, { log, module, onReady: () => outcome.resolve(null) })
  child.once('exit', (code, signal) => outcome.resolve(signal ?? `exit code ${code}`))
  const limit = clock.schedule(TRIAL_LIMIT_MS, () => outcome.resolve('no answer'))
  const failure = await outcome.promise
  limit.cancel()
  await stop(child)
  return failure
}

function start(model: SherpaModel, on: { log: Log; module: string; onReady: () => void }): Life {
  const child = fork(fileURLToPath(builtFile(ENTRY)), {
    execArgv: [],
    // Nothing of ours is its business, and what it prints is not ours to keep.
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
  })
  const send = (message: ToSherpa): void => {
    if (child.connected) child.send(message, () => {})
  }
  const port = new ChannelPort(send)
  child.on('message', (message: FromSherpa) => {
    if (message.type === 'speech') port.receive(message.message)
    else if (message.type === 'ready') on.onReady()
    else writeMessage(on.log, message)
  })
  // Not left to the end of the channel, which comes with the thread's, but to no known time.
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => {
    process.off('exit', kill)
    port.close()
  })
  // A channel that breaks is followed by the exit.
  child.on('error', () => {})
  send({ type: 'model', model, module: on.module })
  return { child, service: createRemoteSpeech(port) }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGKILL')
  await gone
}
