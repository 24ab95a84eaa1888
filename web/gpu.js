// The part of the WebGPU device that has to be JavaScript: replaying a recorded program, and
// copies between WebAssembly memory and buffers in one step each, because memory that grows in
// between detaches every view of it. Package gpu/webgpu calls this; load it before Go starts.

const memory = () => globalThis.wasm.instance.exports.mem.buffer

globalThis.flamingoGPU = {
  /** A program is a list of dispatches with everything they bind. */
  program: (uniforms) => ({ uniforms, steps: [] }),

  step(program, pipeline, group, offset, x, y, z) {
    program.steps.push({ pipeline, group, offset: [offset], x, y, z })
  },

  /** Encodes the program, times over, and submits it. */
  replay(device, program, times) {
    const encoder = device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    for (let i = 0; i < times; i++) {
      let last
      for (const s of program.steps) {
        if (s.pipeline !== last) pass.setPipeline((last = s.pipeline))
        pass.setBindGroup(0, s.group)
        pass.setBindGroup(1, program.uniforms, s.offset)
        pass.dispatchWorkgroups(s.x, s.y, s.z)
      }
    }
    pass.end()
    device.queue.submit([encoder.finish()])
  },

  /** Writes bytes that live in WebAssembly memory. */
  write(device, buffer, offset, pointer, length) {
    device.queue.writeBuffer(buffer, offset, new Uint8Array(memory(), pointer, length))
  },

  /** Writes bytes that live in JavaScript. */
  upload(device, buffer, offset, bytes) {
    device.queue.writeBuffer(buffer, offset, bytes)
  },

  /** Reads a buffer back, behind everything submitted; rejects when the device is lost. */
  async read(device, buffer, offset, length) {
    const staging = take(device, length)
    const encoder = device.createCommandEncoder()
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, length)
    device.queue.submit([encoder.finish()])
    try {
      await staging.mapAsync(GPUMapMode.READ, 0, length)
    } catch (error) {
      staging.destroy()
      throw error
    }
    const bytes = new Uint8Array(staging.getMappedRange(0, length)).slice()
    staging.unmap()
    give(device, staging)
    return bytes
  },
}

// Staging buffers by device: small ones are kept, since every token reads one.
const kept = new WeakMap()
const KEEP = 1 << 20

function take(device, length) {
  const list = kept.get(device) ?? []
  const i = list.findIndex((b) => b.size >= length)
  if (i >= 0) return list.splice(i, 1)[0]
  const size = length <= 4096 ? 4096 : Math.ceil(length / 4) * 4
  return device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ })
}

function give(device, buffer) {
  const list = kept.get(device) ?? []
  if (buffer.size > KEEP || list.length >= 8) return buffer.destroy()
  list.push(buffer)
  kept.set(device, list)
}
