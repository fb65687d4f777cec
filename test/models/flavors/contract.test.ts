import { node } from '../../../src/models/flavors/node.js'
import { onnx } from '../../../src/models/flavors/onnx.js'
import { tfjs } from '../../../src/models/flavors/tfjs.js'
import { flavorContract } from '../../contract/flavor.js'
import { linearLayers, linearModule, linearOnnx } from '../../support/linear-models.js'
import { plain } from '../../support/plain-flavor.js'

flavorContract({ flavor: onnx(), model: linearOnnx })
flavorContract({ flavor: tfjs(), model: linearLayers })
flavorContract({ flavor: node(), model: linearModule, options: { allowCode: true } })
flavorContract({ flavor: plain, model: () => ({ weights: { a: 1, b: 2 } }) })
