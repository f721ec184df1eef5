import fc from 'fast-check'
import t from 'tap'
import { MinHeap } from '../../../src/util/heap.js'
import { holds } from './holds.js'

t.test('an empty heap has no least element', async (t) => {
  const heap = new MinHeap<number>((a, b) => a - b)
  t.equal(heap.peek(), undefined)
  t.equal(heap.pop(), undefined)
  t.equal(heap.size, 0)
})

t.test('elements come out in order, however pushes and pops alternate', async (t) => {
  const steps = fc.array(fc.option(fc.integer({ min: 0, max: 50 })), { maxLength: 300 })
  holds(
    t,
    fc.property(steps, (pushes) => {
      const heap = new MinHeap<number>((a, b) => a - b)
      let model: number[] = []
      for (const push of pushes) {
        if (push === null) {
          const least = model[0]
          if (heap.peek() !== least || heap.pop() !== least) return false
          model = model.slice(1)
        } else {
          heap.push(push)
          model = [...model, push].sort((a, b) => a - b)
        }
        if (heap.size !== model.length) return false
      }
      return true
    }),
  )
})
