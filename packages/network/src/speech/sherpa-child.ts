// The entry of a process that runs one model of sherpa-onnx: its native code aborts the process it runs in when a model
// is not what it seems, and that must never be the one that carries calls.
import { assert } from '@saperly/kernel'
import { messageLog } from '../media/messages.ts'
import { serveSpeech } from './serve.ts'
import { openSherpa } from './sherpa.ts'
import type { SherpaModel } from './sherpa-manifest.ts'
import { ChannelPort, type FromSherpa, type ToSherpa } from './sherpa-messages.ts'
import { loadSherpa } from './sherpa-module.ts'

assert(process.connected, 'the process of a model is started by its owner')
const send = (message: FromSherpa): void => void process.send?.(message)
const log = messageLog(send)
const port = new ChannelPort(send)

async function open(model: SherpaModel, module: string): Promise<void> {
  const service = await openSherpa(model, await loadSherpa(module), log)
  serveSpeech(port, service, 'free', log)
  send({ type: 'ready' })
}

process.on('message', (message: ToSherpa) => {
  if (message.type === 'speech') port.receive(message.message)
  else void open(message.model, message.module)
})
// The owner is gone, however that came about.
process.on('disconnect', () => process.exit())
